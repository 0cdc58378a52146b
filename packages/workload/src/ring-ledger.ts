/** Which nodes the rings of `cycle` must have, by what clients were told. A node's number is used once. */
import type { WorkloadOperations } from "./database-face.ts";
import { Doubts } from "./doubts.ts";

/** What a transaction did, or would have done. */
export interface NodeChange {
  readonly ring: string;
  readonly added?: number;
  /** `"some"`: one was removed, but the answer that said which is lost. */
  readonly removed?: number | "some";
}

type State = "live" | "maybe" | "removed";

export class RingLedger {
  private readonly rings = new Map<string, Map<number, State>>();
  private readonly unnamedRemovals = new Map<string, number>();
  private readonly doubts = new Doubts<NodeChange>();

  /** What must not be; undefined if the change is possible. */
  committed(change: NodeChange): string | undefined {
    const nodes = this.nodesOf(change.ring);
    if (change.added !== undefined && nodes.get(change.added) !== "removed") nodes.set(change.added, "live");
    if (change.removed === "some")
      this.unnamedRemovals.set(change.ring, (this.unnamedRemovals.get(change.ring) ?? 0) + 1);
    else if (change.removed !== undefined) {
      const before = nodes.get(change.removed);
      nodes.set(change.removed, "removed");
      if (before === "removed") return `node ${change.removed} of ring ${change.ring} was removed twice`;
    }
    return undefined;
  }

  doubt(change: NodeChange, transaction: string | undefined): void {
    this.doubts.add(change, transaction);
  }

  /** Asks for the outcomes still open; what stays open may be either. */
  async settle(db: WorkloadOperations): Promise<string | undefined> {
    let wrong: string | undefined;
    await this.doubts.settle(db, (change, outcome) => {
      if (outcome === "committed") wrong ??= this.committed(change);
    });
    for (const { of: change } of this.doubts.open) this.leaveOpen(change);
    return wrong;
  }

  /** Compares the nodes of a ring with those it must have. */
  judge(ring: string, nodes: ReadonlyMap<number, number>): string | undefined {
    const expected = this.nodesOf(ring);
    for (const node of nodes.keys()) {
      const state = expected.get(node);
      if (state === undefined) return `ring ${ring} has node ${node}, which no committed transaction added`;
      if (state === "removed") return `ring ${ring} has node ${node}, which was removed`;
    }
    let unnamed = this.unnamedRemovals.get(ring) ?? 0;
    for (const { of: change } of this.doubts.open)
      if (change.ring === ring && change.removed === "some") unnamed++;
    let missing = 0;
    for (const [node, state] of expected) {
      if (state !== "live" || nodes.has(node)) continue;
      if (++missing > unnamed) return `ring ${ring} lacks node ${node}, which nobody removed`;
    }
    return undefined;
  }

  private leaveOpen(change: NodeChange): void {
    const nodes = this.nodesOf(change.ring);
    if (change.added !== undefined && !nodes.has(change.added)) nodes.set(change.added, "maybe");
    if (typeof change.removed === "number" && nodes.get(change.removed) !== "removed")
      nodes.set(change.removed, "maybe");
  }

  private nodesOf(ring: string): Map<number, State> {
    let nodes = this.rings.get(ring);
    if (nodes === undefined) this.rings.set(ring, (nodes = new Map()));
    return nodes;
  }
}

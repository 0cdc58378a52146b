/**
 * `cycle`: rings of rows, each row with the key of its successor, rewired by transactions (`ring.ts`): stretches reversed,
 * nodes swapped, moved, added and removed. One ring a part.
 *
 * Invariants: in every snapshot, by whichever reads, each ring is exactly one ring over all its rows (I4, I5, I9). At the
 * end it has the nodes that were added and not removed, and no others (I1, I2).
 */
import { assert, type Random } from "@sixfold/model";
import { drawStyle } from "./client-choices.ts";
import type { ClientSession } from "./client-session.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { loadRows } from "./load-rows.ts";
import { type NodeChange, RingLedger } from "./ring-ledger.ts";
import {
  judgeRing,
  rewire,
  type RewirePlan,
  type RewireResult,
  type RingChange,
  ringFollowed,
  ringKey,
  type RingNode,
  ringNodes,
} from "./ring.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { runInteractively } from "./transaction-steps.ts";
import { type TransactionStyle, type Verdict, verdictOf, type WorkloadOptions } from "./workload.ts";

const DEFAULT_NODES = 48;
const LOOK_FRACTION = 0.2;
const BETWEEN_MAX = 5;
/** As often added as removed, so that rings keep their size. */
const CHANGES: readonly RingChange[] = [
  "reverse",
  "swap",
  "rotate",
  "transplant",
  "transplant",
  "insert",
  "insert",
  "remove",
  "remove",
];

export class Cycle extends SessionWorkload {
  readonly name = "cycle";
  private readonly parts: KeyParts;
  private readonly rings = new RingLedger();
  private nextNode: number;

  constructor(options: WorkloadOptions) {
    super(options);
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_NODES });
    assert(this.parts.rowsPerPart >= 2, "a ring has a few nodes");
    this.nextNode = this.parts.rowsPerPart;
  }

  override async setup(db: WorkloadDatabase): Promise<void> {
    await this.sessions.setup(db);
    await loadRows(db, this.options.table, this.firstNodes());
  }

  override async audit(db: WorkloadDatabase): Promise<Verdict> {
    return verdictOf(await this.judgeAll(db, () => undefined));
  }

  protected begin({ number, random, session }: Client): () => Promise<void> {
    return () => {
      const ring = this.parts.choosePart(this.writerOf(number), random);
      return random.chance(LOOK_FRACTION)
        ? this.look(session, ring, random.chance(0.5))
        : this.change(session, this.draw(ring, random), drawStyle(this.options.as, random));
    };
  }

  protected async judge(db: WorkloadDatabase): Promise<string | undefined> {
    return (
      (await this.rings.settle(db)) ??
      (await this.judgeAll(db, (ring, nodes) => this.rings.judge(ring, nodes)))
    );
  }

  private draw(ring: string, random: Random): RewirePlan {
    return {
      table: this.options.table,
      ring,
      change: random.pick(CHANGES),
      start: random.int(this.nextNode),
      target: random.int(this.nextNode),
      between: 1 + random.int(BETWEEN_MAX),
      fresh: -1,
    };
  }

  private async change(session: ClientSession, drawn: RewirePlan, as: TransactionStyle): Promise<void> {
    // Each attempt adds a node of its own, so that one of an aborted attempt is known by its number.
    const numbered = (): RewirePlan => ({ ...drawn, fresh: this.nextNode++ });
    let plan = numbered();
    const attempts: RewireResult[] = [];
    const result = await session.attempt({
      as,
      ...this.promises,
      procedure: "rewireRing",
      args: [plan],
      body: async (tx) => {
        plan = numbered();
        const rewired = await runInteractively(tx, rewire(tx, plan));
        attempts.push(rewired);
        this.seen.note(rewired.violation);
        return rewired;
      },
    });
    if (result.outcome === "committed") {
      const rewired = result.value as RewireResult;
      if (as === "procedure") this.seen.note(rewired.violation);
      this.seen.note(this.rings.committed(changeOf(plan, rewired)));
    } else if (result.outcome === "unknown") {
      this.rings.doubt(changeOf(plan, attempts.at(-1)), result.transaction);
    }
  }

  /** One snapshot by a scan and by following it. */
  private async look(session: ClientSession, ring: string, reverse: boolean): Promise<void> {
    const { table } = this.options;
    await session.attempt({
      as: "interactive",
      ...this.promises,
      body: async (tx) => {
        const nodes = await runInteractively(tx, ringNodes(table, ring, reverse));
        this.seen.note(judgeRing(ring, nodes));
        const [from] = nodes.keys();
        if (from === undefined) return;
        const followed = await runInteractively(tx, ringFollowed(table, ring, from));
        this.seen.note(judgeRing(ring, followed));
        if (followed.size !== nodes.size || [...followed].some(([node, next]) => nodes.get(node) !== next))
          this.seen.note(
            `ring ${ring}: one transaction saw ${nodes.size} nodes by a scan, ${followed.size} other by gets`,
          );
      },
    });
  }

  private judgeAll(
    db: WorkloadDatabase,
    judge: (ring: string, nodes: ReadonlyMap<number, number>) => string | undefined,
  ): Promise<string | undefined> {
    return db.transaction(
      async (tx) => {
        for (const ring of this.parts.parts) {
          const nodes = await runInteractively(tx, ringNodes(this.options.table, ring));
          const wrong = judgeRing(ring, nodes) ?? judge(ring, nodes);
          if (wrong !== undefined) return wrong;
        }
        return undefined;
      },
      { consistency: "cluster" },
    );
  }

  private *firstNodes(): Generator<readonly [ReturnType<typeof ringKey>, RingNode]> {
    const { parts, rowsPerPart } = this.parts;
    for (const ring of parts)
      for (let node = 0; node < rowsPerPart; node++) {
        this.rings.committed({ ring, added: node });
        yield [ringKey(ring, node), { next: (node + 1) % rowsPerPart }];
      }
  }
}

/** `rewired`: undefined if the answer is lost. */
function changeOf(plan: RewirePlan, rewired: RewireResult | undefined): NodeChange {
  const { ring } = plan;
  if (rewired?.skipped === true) return { ring };
  if (plan.change === "insert") return { ring, added: plan.fresh };
  if (plan.change !== "remove") return { ring };
  return { ring, removed: rewired?.removed ?? "some" };
}

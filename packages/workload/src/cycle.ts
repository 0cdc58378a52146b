/**
 * `cycle`: rings of rows, each row with the key of its successor, rewired by transactions (`ring.ts`): stretches reversed,
 * nodes swapped, moved, added and removed. One ring a part.
 *
 * Invariants: in every snapshot, by whichever reads, each ring is exactly one ring over all its rows (I4, I5, I9). At the
 * end it has the nodes that were added and not removed, and no others (I1, I2).
 */
import { assert, Random } from "@sixfold/model";
import { Sessions, type ClientSession } from "./client-session.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { Ledger } from "./ledger.ts";
import { loadRows } from "./load-rows.ts";
import { RingLedger } from "./ring-ledger.ts";
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
import { runInteractively } from "./transaction-steps.ts";
import type { RunContext, TransactionStyle, Verdict, Workload, WorkloadOptions } from "./workload.ts";

const DEFAULT_NODES = 48;
const LOOK_FRACTION = 0.2;
const OTHER_STYLE_FRACTION = 0.2;
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

export class Cycle implements Workload {
  readonly name = "cycle";
  private readonly options: WorkloadOptions;
  private readonly parts: KeyParts;
  private readonly sessions: Sessions;
  private readonly rings = new RingLedger();
  private readonly seen = new Ledger();
  private nextNode: number;

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_NODES });
    assert(this.parts.rowsPerPart >= 2, "a ring has a few nodes");
    this.nextNode = this.parts.rowsPerPart;
    this.sessions = new Sessions(options.table);
  }

  writerOf(client: number): number {
    return this.parts.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await this.sessions.setup(db);
    await loadRows(db, this.options.table, this.firstNodes());
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const random = new Random(this.options.seed + (client + 1) * 2 ** 32);
    const session = this.sessions.open(db, context);
    while (!context.stopped()) {
      const ring = this.parts.choosePart(this.writerOf(client), random);
      if (random.chance(LOOK_FRACTION)) await this.look(session, ring, random.chance(0.5));
      else await this.change(session, this.draw(ring, random), this.drawStyle(random));
    }
  }

  async audit(db: WorkloadDatabase): Promise<Verdict> {
    return this.judgeAll(db, () => undefined);
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    const seen = this.seen.violation() ?? (await this.rings.settle(db));
    if (seen !== undefined) return `broken: ${seen}`;
    return this.judgeAll(db, (ring, nodes) => this.rings.judge(ring, nodes));
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

  private drawStyle(random: Random): TransactionStyle {
    const { as } = this.options;
    if (!random.chance(OTHER_STYLE_FRACTION)) return as;
    return as === "interactive" ? "procedure" : "interactive";
  }

  private async change(session: ClientSession, drawn: RewirePlan, as: TransactionStyle): Promise<void> {
    const { isolation, consistency } = this.options;
    // Each attempt adds a node of its own, so that one of an aborted attempt is known by its number.
    const numbered = (): RewirePlan => ({ ...drawn, fresh: this.nextNode++ });
    let plan = numbered();
    const attempts: RewireResult[] = [];
    const result = await session.attempt({
      as,
      isolation,
      consistency,
      procedure: "rewireRing",
      args: [plan],
      body: async (tx) => {
        plan = numbered();
        const rewired = await runInteractively(tx, rewire(tx, plan));
        attempts.push(rewired);
        this.note(rewired.violation);
        return rewired;
      },
    });
    if (result.outcome === "committed") {
      const rewired = result.value as RewireResult;
      if (as === "procedure") this.note(rewired.violation);
      this.note(this.rings.committed(changeOf(plan, rewired)));
    } else if (result.outcome === "unknown") {
      this.rings.doubt(changeOf(plan, attempts.at(-1)), result.transaction);
    }
  }

  /** One snapshot by a scan and by following it. */
  private async look(session: ClientSession, ring: string, reverse: boolean): Promise<void> {
    const { table, isolation, consistency } = this.options;
    await session.attempt({
      as: "interactive",
      procedure: "",
      args: [],
      isolation,
      consistency,
      body: async (tx) => {
        const nodes = await runInteractively(tx, ringNodes(table, ring, reverse));
        this.note(judgeRing(ring, nodes));
        const [from] = nodes.keys();
        if (from === undefined) return;
        const followed = await runInteractively(tx, ringFollowed(table, ring, from));
        this.note(judgeRing(ring, followed));
        if (followed.size !== nodes.size || [...followed].some(([node, next]) => nodes.get(node) !== next))
          this.note(
            `ring ${ring}: one transaction saw ${nodes.size} nodes by a scan, ${followed.size} other by gets`,
          );
      },
    });
  }

  private note(violation: string | undefined): void {
    if (violation !== undefined) this.seen.observe(violation);
  }

  private async judgeAll(
    db: WorkloadDatabase,
    judge: (ring: string, nodes: ReadonlyMap<number, number>) => string | undefined,
  ): Promise<Verdict> {
    return db.transaction(
      async (tx): Promise<Verdict> => {
        for (const ring of this.parts.parts) {
          const nodes = await runInteractively(tx, ringNodes(this.options.table, ring));
          const wrong = judgeRing(ring, nodes) ?? judge(ring, nodes);
          if (wrong !== undefined) return `broken: ${wrong}`;
        }
        return "ok";
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
function changeOf(
  plan: RewirePlan,
  rewired: RewireResult | undefined,
): {
  ring: string;
  added?: number;
  removed?: number | "some";
} {
  const { ring } = plan;
  if (rewired?.skipped === true) return { ring };
  if (plan.change === "insert") return { ring, added: plan.fresh };
  if (plan.change !== "remove") return { ring };
  return { ring, removed: rewired?.removed ?? "some" };
}

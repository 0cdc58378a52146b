/**
 * What `append` and `register` have in common: random transactions of one to eight operations over a few hot keys and some
 * cold ones, recorded as a history for the checker.
 *
 * Half of the keys of a part are hot: three in four operations go there. Some transactions only read, some scan the part, some run as
 * procedures. Each attempt writes values of its own. The end adds one transaction that reads everything: what was lost late shows
 * there.
 *
 * Beside the checker's verdict, each has an expected state that needs no checker (`judge`).
 */
import { type Isolation, Random } from "@sixfold/model";
import { type ClientSession, Sessions } from "./client-session.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import {
  type HistoryOperation,
  HistoryRecorder,
  type HistoryTransaction,
  type OpenTransaction,
} from "./history.ts";
import { KeyParts } from "./key-parts.ts";
import {
  nameOf,
  operate,
  plannedWrites,
  type RangeRead,
  type RowOperation,
  type RowRead,
  type RowWrite,
} from "./row-operations.ts";
import { runInteractively, scan } from "./transaction-steps.ts";
import type { RunContext, TransactionStyle, Verdict, Workload, WorkloadOptions } from "./workload.ts";

const DEFAULT_KEYS = 36;
const OPERATIONS_MAX = 8;
const HOT_FRACTION = 0.75;
const READ_ONLY_FRACTION = 0.25;
const LOCK_FRACTION = 0.1;
/** Of transactions, run in the other style than the one preferred. */
const OTHER_STYLE_FRACTION = 0.2;
/** Procedures promise no more than `snapshot`, so a serializable run would have little to check with many of them. */
const OTHER_STYLE_SERIALIZABLE_FRACTION = 0.05;

/** One operation as drawn; its value is the attempt's. */
export type Draft = Omit<RowWrite, "value"> | RowRead | RangeRead;

export abstract class RecordedWorkload implements Workload {
  abstract readonly name: "append" | "register";
  protected readonly parts: KeyParts;
  private readonly options: WorkloadOptions;
  private readonly recorder = new HistoryRecorder();
  private readonly sessions: Sessions;
  private lastValue = 0;
  private lastMoment = 0;

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_KEYS });
    this.sessions = new Sessions(options.table);
  }

  /** Adds what one step of a transaction does to a key of `part`, `row` of its rows. */
  protected abstract draw(part: string, row: number, isReadOnly: boolean, random: Random): Draft[];
  /** A scan of a whole part. */
  protected abstract drawScan(part: string): Draft;
  /** What the history says of the last state; undefined if it agrees. */
  protected abstract judge(
    history: readonly HistoryTransaction[],
    last: ReadonlyMap<string, unknown>,
  ): string | undefined;
  /** The operation that read `value` from the key called `name`. */
  protected abstract lastRead(name: string, value: unknown): HistoryOperation;

  writerOf(client: number): number {
    return this.parts.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await db.createTable(this.options.table);
    await this.sessions.setup(db);
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const random = new Random(this.options.seed + (client + 1) * 2 ** 32);
    const session = this.sessions.open(db, context);
    while (!context.stopped()) {
      const drafts = this.drawTransaction(this.writerOf(client), random);
      if (this.drawStyle(random) === "procedure") await this.call(session, drafts, context);
      else await this.interact(session, drafts, context);
    }
  }

  /** The checker's business. */
  async audit(): Promise<Verdict> {
    return "ok";
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    await this.recorder.settle(db);
    const last = await this.readAll(db);
    const wrong = this.judge(this.recorder.transactions, last);
    return wrong === undefined ? "ok" : `broken: ${wrong}`;
  }

  history(): readonly HistoryTransaction[] {
    return this.recorder.transactions;
  }

  private drawStyle(random: Random): TransactionStyle {
    const { as, isolation } = this.options;
    const other = isolation === "serializable" ? OTHER_STYLE_SERIALIZABLE_FRACTION : OTHER_STYLE_FRACTION;
    if (!random.chance(other)) return as;
    return as === "interactive" ? "procedure" : "interactive";
  }

  private drawTransaction(writer: number, random: Random): Draft[] {
    const operations = 1 + random.int(OPERATIONS_MAX);
    const isReadOnly = random.chance(READ_ONLY_FRACTION);
    const drafts: Draft[] = [];
    while (drafts.length < operations) {
      const part = this.parts.choosePart(writer, random);
      if (random.chance(isReadOnly ? 0.2 : 0.05)) drafts.push(this.drawScan(part));
      else drafts.push(...this.draw(part, this.drawRow(random), isReadOnly, random));
    }
    return drafts;
  }

  private drawRow(random: Random): number {
    const rows = this.parts.rowsPerPart;
    const hot = Math.max(1, Math.min(3, Math.floor(rows / 2)));
    return rows === hot || random.chance(HOT_FRACTION) ? random.int(hot) : hot + random.int(rows - hot);
  }

  protected drawLock(random: Random): boolean {
    return random.chance(LOCK_FRACTION);
  }

  /** `drafts` with values that no other attempt writes. */
  private withValues(drafts: readonly Draft[]): RowOperation[] {
    return drafts.map((draft) => ("lock" in draft ? { ...draft, value: ++this.lastValue } : draft));
  }

  private async interact(
    session: ClientSession,
    drafts: readonly Draft[],
    context: RunContext,
  ): Promise<void> {
    const { isolation, consistency } = this.options;
    const { number } = session;
    const attempts: OpenTransaction[] = [];
    const endLast = (how: "committed" | "aborted"): void => this.ended(attempts.at(-1), how, context.now());
    const result = await session.attempt({
      as: "interactive",
      procedure: "",
      args: [],
      isolation,
      consistency,
      onLostAttempt: () => endLast("aborted"),
      body: async (tx) => {
        const open = this.begin(number, context.now(), isolation);
        attempts.push(open);
        await runInteractively(tx, operate(tx, this.options.table, this.withValues(drafts), open.operations));
      },
    });
    if (result.outcome === "unknown") this.recorder.doubt(attempts.at(-1), result.transaction);
    else endLast(result.outcome);
  }

  private async call(session: ClientSession, drafts: readonly Draft[], context: RunContext): Promise<void> {
    const operations = this.withValues(drafts);
    // Attempts of a call are not told apart, so the first of them counts as its begin: it claims less.
    const open = this.begin(session.number, context.now(), "snapshot", "session");
    open.operations = plannedWrites(operations);
    const result = await session.attempt({
      as: "procedure",
      procedure: "operateRows",
      args: [this.options.table, operations],
      body: () => Promise.resolve(),
    });
    if (result.outcome === "committed") open.operations = result.value as HistoryOperation[];
    if (result.outcome === "unknown") this.recorder.doubt(open, result.transaction);
    else this.ended(open, result.outcome, context.now());
  }

  private begin(
    session: number,
    at: number,
    isolation: Isolation = "snapshot",
    consistency = this.options.consistency ?? "session",
  ): OpenTransaction {
    this.lastMoment = Math.max(this.lastMoment, at);
    return this.recorder.begin({ session, at, isolation, consistency });
  }

  /** A further attempt may fail before it begins anything: then the one before has ended already. */
  private ended(open: OpenTransaction | undefined, how: "committed" | "aborted", at: number): void {
    this.lastMoment = Math.max(this.lastMoment, at);
    if (open !== undefined && open.returnedAt === Infinity) this.recorder.end(open, how, at);
  }

  /** Everything at one read point, as the last transaction of the history. */
  private async readAll(db: WorkloadDatabase): Promise<Map<string, unknown>> {
    const { table } = this.options;
    const rows = await db.transaction((tx) => runInteractively(tx, scan<unknown>(table)), {
      consistency: "cluster",
    });
    // After all clients have returned, so later than every moment they noted.
    const open = this.recorder.begin({
      session: this.sessions.nextNumber(),
      at: this.lastMoment + 1,
      isolation: "snapshot",
      consistency: "cluster",
    });
    const last = new Map(rows.map(([key, value]) => [nameOf(key), value]));
    for (const name of this.recorder.keysWritten()) open.operations.push(this.lastRead(name, last.get(name)));
    this.ended(open, "committed", this.lastMoment + 2);
    return last;
  }
}

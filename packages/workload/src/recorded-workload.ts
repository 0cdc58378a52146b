/**
 * What `append` and `register` have in common: random transactions of one to eight operations over a few hot keys and some
 * cold ones, recorded as a history for the checker.
 *
 * Up to three keys of a part are hot: three in four operations go there. Some transactions only read, some scan the part, some run as
 * procedures. Each attempt writes values of its own. The end adds one transaction that reads everything: what was lost late shows
 * there.
 *
 * Beside the checker's verdict, each has an expected state that needs no checker (`judgeHistory`).
 */
import type { Random } from "@sixfold/model";
import { drawStyle } from "./client-choices.ts";
import type { ClientSession } from "./client-session.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import {
  type HistoryOperation,
  HistoryRecorder,
  type HistoryTransaction,
  type OpenTransaction,
} from "./history.ts";
import { KeyParts } from "./key-parts.ts";
import { nameOf } from "./row-keys.ts";
import {
  operate,
  plannedWrites,
  type RangeRead,
  type RowOperation,
  type RowRead,
  type RowWrite,
} from "./row-operations.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { runInteractively, scan } from "./transaction-steps.ts";
import type { Promises, RunContext, WorkloadOptions } from "./workload.ts";

const DEFAULT_KEYS = 36;
const OPERATIONS_MAX = 8;
const HOT_KEYS_MAX = 3;
const HOT_FRACTION = 0.75;
const READ_ONLY_FRACTION = 0.25;
const LOCK_FRACTION = 0.1;
/** Procedures promise no more than `snapshot`, so a serializable run would have little to check with many of them. */
const OTHER_STYLE_SERIALIZABLE_FRACTION = 0.05;

/** One operation as drawn; its value is the attempt's. */
export type Draft = Omit<RowWrite, "value"> | RowRead | RangeRead;

const isRead = ({ kind }: Draft): boolean => kind !== "append" && kind !== "write";

export abstract class RecordedWorkload extends SessionWorkload {
  protected readonly parts: KeyParts;
  private readonly recorder = new HistoryRecorder();
  private lastValue = 0;
  private lastMoment = 0;

  constructor(options: WorkloadOptions) {
    super(options);
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_KEYS });
  }

  /** Adds what one step of a transaction does to a key of `part`, `row` of its rows. */
  protected abstract draw(part: string, row: number, isReadOnly: boolean, random: Random): Draft[];
  /** A scan of a whole part. */
  protected abstract drawScan(part: string): Draft;
  /** What the history says of the last state; undefined if it agrees. */
  protected abstract judgeHistory(
    history: readonly HistoryTransaction[],
    last: ReadonlyMap<string, unknown>,
  ): string | undefined;
  /** The operation that read `value` from the key called `name`. */
  protected abstract lastRead(name: string, value: unknown): HistoryOperation;

  history(): readonly HistoryTransaction[] {
    return this.recorder.transactions;
  }

  protected begin({ number, random, session, context }: Client): () => Promise<void> {
    const { as, isolation } = this.options;
    const otherStyle = isolation === "serializable" ? OTHER_STYLE_SERIALIZABLE_FRACTION : undefined;
    return () => {
      const drafts = this.drawTransaction(this.writerOf(number), random);
      return drawStyle(as, random, otherStyle) === "procedure"
        ? this.call(session, drafts, context)
        : this.interact(session, drafts, context);
    };
  }

  protected async judge(db: WorkloadDatabase): Promise<string | undefined> {
    await this.recorder.settle(db);
    const last = await this.readAll(db);
    return this.judgeHistory(this.recorder.transactions, last);
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
    const hot = Math.max(1, Math.min(HOT_KEYS_MAX, Math.floor(rows / 2)));
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
    const { number } = session;
    const attempts: OpenTransaction[] = [];
    const endLast = (how: "committed" | "aborted"): void => this.ended(attempts.at(-1), how, context.now());
    const result = await session.attempt({
      as: "interactive",
      ...this.promises,
      readOnly: drafts.every(isRead),
      onLostAttempt: () => endLast("aborted"),
      body: async (tx) => {
        const open = this.open(number, context.now(), this.promises);
        attempts.push(open);
        await runInteractively(tx, operate(tx, this.options.table, this.withValues(drafts), open.operations));
      },
    });
    const last = attempts.at(-1);
    if (result.outcome !== "unknown") endLast(result.outcome);
    else if (isOpen(last)) this.recorder.doubt(last, result.transaction);
  }

  private async call(session: ClientSession, drafts: readonly Draft[], context: RunContext): Promise<void> {
    const operations = this.withValues(drafts);
    // Attempts of a call are not told apart, so the first of them counts as its begin: it claims less.
    const open = this.open(session.number, context.now(), {});
    open.operations = plannedWrites(operations);
    const result = await session.attempt({
      as: "procedure",
      procedure: "operateRows",
      args: [this.options.table, operations],
    });
    if (result.outcome === "committed") open.operations = result.value as HistoryOperation[];
    if (result.outcome === "unknown") this.recorder.doubt(open, result.transaction);
    else this.ended(open, result.outcome, context.now());
  }

  private open(
    session: number,
    at: number,
    { isolation = "snapshot", consistency = "session" }: Promises,
  ): OpenTransaction {
    this.lastMoment = Math.max(this.lastMoment, at);
    return this.recorder.begin({ session, at, isolation, consistency });
  }

  private ended(open: OpenTransaction | undefined, how: "committed" | "aborted", at: number): void {
    this.lastMoment = Math.max(this.lastMoment, at);
    if (isOpen(open)) this.recorder.end(open, how, at);
  }

  /** Everything at one read point, as the last transaction of the history. */
  private async readAll(db: WorkloadDatabase): Promise<Map<string, unknown>> {
    const { table } = this.options;
    const rows = await db.transaction((tx) => runInteractively(tx, scan<unknown>(table)), {
      readOnly: true,
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

/** A further attempt may fail before it begins anything: then the one before has ended already. */
function isOpen(transaction: OpenTransaction | undefined): transaction is OpenTransaction {
  return transaction?.returnedAt === Infinity;
}

/**
 * A client that keeps one session, and what it does when a transaction ends without an answer.
 *
 * A session promises that its reads show its acknowledged writes (DESIGN section 8). It promises nothing of a transaction whose
 * answer was lost, even once `outcome` has called it committed: so that transaction is the last of its session, and the client
 * goes on with a new one. A client that must know where it stands asks for the outcome until it is final, then writes a
 * marker at `cluster` consistency: from that acknowledgement on the new session shows all that was committed before.
 */
import { isRetryable, SixfoldError, type ErrorCode, type TransactionOutcome } from "@sixfold/model";
import { attempt, concluded, type Operation, type OperationResult } from "./attempt.ts";
import type { WorkloadDatabase, WorkloadOperations } from "./database-face.ts";
import type { RunContext } from "./workload.ts";

/** An open stream may never be able to say: then the client lives with not knowing. */
const ASKED_AT_MOST = 100;

export class Sessions {
  private readonly table: string;
  private last = 0;

  /** `table`: the workload's; the markers have one of their own beside it. */
  constructor(table: string) {
    this.table = `${table}/sessions`;
  }

  async setup(db: WorkloadOperations): Promise<void> {
    await db.createTable(this.table);
  }

  open(db: WorkloadDatabase, context: RunContext): ClientSession {
    return new ClientSession(db, context, this.table, () => ++this.last);
  }

  /** The number of a session that is not a client's. */
  nextNumber(): number {
    return ++this.last;
  }
}

export class ClientSession {
  private readonly db: WorkloadDatabase;
  private readonly context: RunContext;
  private readonly table: string;
  private readonly nextNumber: () => number;
  private session: WorkloadOperations;
  /** No other session of the run has it. */
  number: number;

  constructor(db: WorkloadDatabase, context: RunContext, table: string, nextNumber: () => number) {
    this.db = db;
    this.context = context;
    this.table = table;
    this.nextNumber = nextNumber;
    this.session = db.session();
    this.number = nextNumber();
  }

  /** One transaction. If it has no answer, the session is over and another begins. */
  async attempt(operation: Operation): Promise<OperationResult> {
    const result = await attempt(this.session, operation, this.context);
    if (result.outcome === "unknown") this.renew();
    return result;
  }

  /** Like `attempt`, for any request. */
  async request(
    run: (db: WorkloadOperations) => Promise<unknown>,
    expected: readonly ErrorCode[] = [],
  ): Promise<OperationResult> {
    const result = await concluded(this.context, expected, () => run(this.session));
    if (result.outcome === "unknown") this.renew();
    return result;
  }

  /**
   * Finds out what became of a transaction without an answer and lets the session see it: `unknown` only if nobody can
   * say. Results with an answer pass.
   */
  async settled(result: OperationResult): Promise<OperationResult> {
    if (result.outcome !== "unknown") return result;
    const outcome = await this.outcomeOf(result.transaction);
    await this.catchUp();
    return { ...result, outcome };
  }

  /** Asks until the answer is final, or `atMost` times. */
  async outcomeOf(transaction: string | undefined, atMost = ASKED_AT_MOST): Promise<TransactionOutcome> {
    if (transaction === undefined) return "unknown";
    for (let asked = 0; asked < atMost; asked++) {
      try {
        const outcome = await this.db.outcome(transaction);
        if (outcome !== "unknown") return outcome;
      } catch (error) {
        if (!(error instanceof SixfoldError) || !isRetryable(error)) throw error;
      }
      if (asked + 1 < atMost) await this.context.pause();
    }
    return "unknown";
  }

  /** From here on the session shows all that was committed before; unless the run ends first. */
  private async catchUp(): Promise<void> {
    while (!this.context.stopped()) {
      const { number } = this;
      const result = await this.attempt({
        as: "interactive",
        consistency: "cluster",
        body: async (tx) => tx.put(this.table, [number], true),
      });
      if (result.outcome === "committed") return;
    }
  }

  private renew(): void {
    this.session = this.db.session();
    this.number = this.nextNumber();
  }
}

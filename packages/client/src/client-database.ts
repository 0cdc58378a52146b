/** The database as `connect` hands it out: the common operations in one implicit session, and what concerns the connection. */
import { SixfoldError } from "@sixfold/model";
import { WireError } from "@sixfold/wire";
import { ask } from "./ask.ts";
import type { ClientCore } from "./client-core.ts";
import { DatabaseOperations, type Defaults } from "./database-operations.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { Interruption } from "./interruption.ts";
import type { Database, NodeInfo, Session } from "./options.ts";
import type { AnyProcedures } from "./procedure.ts";
import { SessionFlow } from "./session-flow.ts";

export class ClientDatabase<P extends object = AnyProcedures>
  extends DatabaseOperations<P>
  implements Database<P>
{
  private readonly deadlines: DeadlineSweep;

  constructor(core: ClientCore, defaults: Defaults, deadlines: DeadlineSweep) {
    super(core, defaults, new SessionFlow(undefined, core.forgetsReads));
    this.deadlines = deadlines;
  }

  session(token?: Uint8Array): Session<P> {
    try {
      return new ClientSession<P>(this.core, this.defaults, new SessionFlow(token, this.core.forgetsReads));
    } catch (cause) {
      if (!(cause instanceof WireError)) throw cause;
      throw new SixfoldError("bad-request", "the session token is malformed", { cause });
    }
  }

  nodes(): readonly NodeInfo[] {
    return this.core.pool.nodes();
  }

  async status(name?: string): Promise<Readonly<Record<string, unknown>>> {
    const { pool, clock } = this.core;
    const deadlineMs = clock.nowMs() + this.defaults.policy.timeoutMs;
    if (name === undefined) await pool.waitFor("any", deadlineMs);
    const node = name === undefined ? pool.pick("any") : pool.named(name);
    if (node === undefined) throw new SixfoldError("unavailable", `not connected to ${name ?? "any node"}`);
    try {
      return (await ask(node, { op: "status" }, deadlineMs, undefined)).status;
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      throw new SixfoldError(error.kind === "late" ? "timeout" : "connection-lost", error.message, {
        cause: error,
      });
    }
  }

  close(): Promise<void> {
    if (!this.core.isClosed) {
      this.core.isClosed = true;
      this.core.guards.close();
      this.core.pool.close();
      this.deadlines.stop();
    }
    return Promise.resolve();
  }
}

class ClientSession<P extends object> extends DatabaseOperations<P> implements Session<P> {
  get token(): Uint8Array {
    return this.flow.token;
  }
}

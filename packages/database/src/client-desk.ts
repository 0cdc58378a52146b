/**
 * Clients' requests on their way to the engine, and the answers on their way back.
 *
 *     requests ──> ready? ──> session's read point shown? ──> cluster round? ──> engine
 *                   held         parked                        parked
 *     answers of one turn to one client leave as one frame
 *
 * A round is also what a read with `maxLagMs` waits for, if what the node shows may be too old for it.
 *
 * A transaction whose first request waits keeps its later ones in order behind it. Nothing waits
 * for ever: `expire` fails what is over its limit, and what is beyond `waitingRequests` is refused. The engine sees bytes and numbers only; what a
 * request was for stands in `asked` until its reply.
 */
import type { EngineFace, EngineResult, ReadView, TxHandle } from "@sixfold/engine";
import {
  isNone,
  LIMITS,
  NO_BUGS,
  SixfoldError,
  type NodeName,
  type PlantedBugs,
  type ReadPoint,
  type Trace,
  type TransactionId,
  type TransactionOutcome,
  YoungMap,
} from "@sixfold/model";
import {
  decodeSessionToken,
  type ClientRequest,
  type ClientRequestBody,
  type ClientResponse,
  type ClientResult,
  type TransactionOptions,
  type TransactionRef,
} from "@sixfold/wire";
import { isTooOld, tooStale, validatesNothing } from "./bounded-staleness.ts";
import type { BeginAt } from "./cluster-snapshots.ts";
import { clientResult } from "./client-result.ts";
import { LinkWrites } from "./link-writes.ts";
import type { ClientLink } from "./node-api.ts";
import { OutcomeDesk } from "./outcome-desk.ts";
import { bindProcedure, type Procedure } from "./procedures.ts";
import { aborted, tooManyWait } from "./refusals.ts";
import { isWrite, locks, opensSnapshot, optionsAlone, refOf } from "./request-shape.ts";
import type { TransactionLog } from "./transaction-log.ts";

/** What the desk needs of its node. */
export interface DeskIo {
  readonly now: number;
  /** The applied vector is closed and pages may be read. */
  readonly isReady: boolean;
  readonly engine: EngineFace;
  readonly procedures: ReadonlyMap<string, Procedure>;
  /** Everything is shown here that this read point shows. */
  shows(point: ReadPoint): boolean;
  /** A replica, or a standby: it has no stream of its own. */
  readonly isFollower: boolean;
  readonly name: NodeName;
  /** Everything committed anywhere before this moment is known to be shown here. */
  readonly freshAt: number;
  /** A read with `maxLagMs` waits so long for the node to catch up. */
  readonly catchUpLimitMs: number;
  /** Runs `then` when everything committed anywhere before now is shown here. */
  clusterRead(then: () => void): void;
  /** The same for a snapshot: runs `then` with the view to read. `locks`: rows are locked first. */
  clusterSnapshot(locks: boolean, then: BeginAt): void;
  /** The id names the stream that this node writes now, or it writes none and will say so. */
  isOwn(id: TransactionId): boolean;
  /** Asks storage; answered through `outcomeFound`. */
  findOutcome(id: TransactionId): void;
  status(): Record<string, unknown>;
  /** Adds what only the node knows to a conflict: who won. */
  explain(error: SixfoldError): SixfoldError;
}

interface Asked {
  readonly link: ClientLink;
  readonly request: number;
  readonly op: ClientRequestBody["op"];
  readonly tx: TransactionId | undefined;
}

interface Parked {
  readonly link: ClientLink;
  readonly request: ClientRequest;
  readonly until: number;
  /** Waits until this is shown; undefined while a cluster round is under way, or the node is not ready. */
  readonly session: ReadPoint | undefined;
  /** What it shows by the end of its wait may be no older. */
  readonly maxLagMs: number | undefined;
}

interface OpenTransaction {
  readonly link: ClientLink;
  readonly options: TransactionOptions;
  /** The client had an answer in it: the engine must know it. */
  began: boolean;
  /** Requests that came while the first one waits. */
  behind: ClientRequest[] | undefined;
}

const DEFAULT_OPTIONS: TransactionOptions = { isolation: "snapshot", consistency: "session" };

export class ClientDesk {
  private readonly io: DeskIo;
  private readonly log: TransactionLog;
  private readonly waitLimitMs: number;
  private readonly ignoresTokens: boolean;
  private readonly ignoresBounds: boolean;
  private readonly outcomes: OutcomeDesk;
  private readonly asked = new YoungMap<number, Asked>();
  private nextRequest = 1;
  /** Requests that came before the node was ready, in order. */
  private held: Parked[] = [];
  private parked: Parked[] = [];
  private readonly clusterWaits = new Set<Parked>();
  private readonly open = new YoungMap<TransactionId, OpenTransaction>();
  private readonly answers = new YoungMap<ClientLink, ClientResponse[]>();
  private readonly links = new Set<ClientLink>();
  private readonly writes = new LinkWrites();

  constructor(
    io: DeskIo,
    log: TransactionLog,
    waitLimitMs: number,
    planted: PlantedBugs = NO_BUGS,
    trace?: Trace,
  ) {
    const answer = (link: ClientLink, request: number, outcome: TransactionOutcome): void =>
      this.answer(link, request, { op: "outcome", outcome });
    const asking = { answer, findOutcome: (id: TransactionId) => io.findOutcome(id) };
    this.outcomes = new OutcomeDesk(asking, log, waitLimitMs, trace);
    this.ignoresBounds = planted.has("lag-bound-ignored");
    this.ignoresTokens = planted.has("session-token-ignored");
    this.io = io;
    this.log = log;
    this.waitLimitMs = waitLimitMs;
  }

  linkOpened(link: ClientLink): void {
    this.links.add(link);
  }

  /** The client is gone: its open transactions go too. Commits in flight go on; their outcome can be asked for. */
  linkClosed(link: ClientLink, now: number): void {
    this.links.delete(link);
    this.writes.closed(link);
    this.answers.delete(link);
    this.outcomes.linkClosed(link);
    this.held = this.held.filter((p) => p.link !== link);
    this.parked = this.parked.filter((p) => p.link !== link);
    for (const wait of this.clusterWaits) if (wait.link === link) this.clusterWaits.delete(wait);
    for (const [id, tx] of this.open)
      if (tx.link === link) {
        this.open.delete(id);
        this.io.engine.abandon(id, now);
      }
  }

  receive(link: ClientLink, requests: readonly ClientRequest[], now: number): void {
    for (const request of requests) {
      const { body } = request;
      if (body.op === "status")
        this.answer(link, request.request, { op: "status", status: this.io.status() });
      else if (body.op === "outcome") this.outcomes.ask(link, request.request, body.id, now);
      else if (!this.io.isReady) {
        if (!this.isCrowded(link, request)) this.held.push(this.waitOf(link, request, now));
      } else this.admit(link, request, now);
    }
  }

  /** The node became ready, or shows more than before: lets in what waited for it. */
  advance(now: number): void {
    if (!this.io.isReady) return;
    if (this.held.length > 0) {
      const held = this.held;
      this.held = [];
      for (const { link, request } of held) this.admit(link, request, now);
    }
    if (this.parked.length > 0) {
      const parked = this.parked;
      this.parked = [];
      for (const wait of parked) {
        if (this.io.shows(wait.session!)) this.begin(wait.link, wait.request, now);
        else this.parked.push(wait);
      }
    }
  }

  /** Fails what has waited too long. */
  expire(now: number): void {
    this.outcomes.expire(now);
    if (this.waiting === 0) return;
    const late = [...this.held, ...this.parked, ...this.clusterWaits].filter((wait) => wait.until <= now);
    if (late.length === 0) return;
    this.held = this.held.filter((wait) => wait.until > now);
    this.parked = this.parked.filter((wait) => wait.until > now);
    for (const wait of late) {
      this.clusterWaits.delete(wait);
      this.failWithFollowers(wait.link, wait.request, this.tooLate(wait, now));
    }
  }

  /** The engine's answer. */
  replied(request: number, result: EngineResult): void {
    const asked = this.asked.get(request);
    if (asked === undefined) return;
    this.asked.delete(request);
    if (isWrite(asked.op)) this.writes.ended(asked.link);
    if (asked.tx !== undefined) this.closeBook(asked.tx, asked.op, result);
    this.answer(
      asked.link,
      asked.request,
      clientResult(asked.op, result, (error) => this.io.explain(error)),
    );
  }

  /** Storage's answer to `findOutcome`. */
  outcomeFound(id: TransactionId, outcome: TransactionOutcome): void {
    this.outcomes.found(id, outcome);
  }

  /** Answers of this turn, a list a client. */
  takeAnswers(): [ClientLink, ClientResponse[]][] {
    if (this.answers.size === 0) return [];
    const out = [...this.answers];
    this.answers.clear();
    return out;
  }

  get waiting(): number {
    return this.held.length + this.parked.length + this.clusterWaits.size;
  }

  private admit(link: ClientLink, request: ClientRequest, now: number): void {
    const ref = refOf(request.body);
    const tx = ref === undefined ? undefined : this.open.get(ref.id);
    if (tx?.behind !== undefined) {
      tx.behind.push(request);
      return;
    }
    const options = ref === undefined ? optionsAlone(request.body) : tx === undefined ? ref.begin : undefined;
    if (ref !== undefined && tx === undefined) {
      if (this.log.isBarred(ref.id)) return this.fail(link, request, aborted(ref.id));
      this.open.set(ref.id, {
        link,
        options: ref.begin ?? DEFAULT_OPTIONS,
        began: ref.begin === undefined,
        behind: undefined,
      });
    }
    if (options?.isolation === "serializable" && this.io.isFollower)
      return this.fail(link, request, this.io.explain(validatesNothing(this.io.name)));
    if (options === undefined || !this.mustWait(link, request, options, now)) this.pass(link, request, now);
  }

  private mustWait(
    link: ClientLink,
    request: ClientRequest,
    options: TransactionOptions,
    now: number,
  ): boolean {
    if (options.consistency === "cluster" || this.isTooOld(options, now)) {
      if (this.isCrowded(link, request)) return true;
      const wait = this.waitOf(link, request, now);
      this.clusterWaits.add(wait);
      this.queueBehind(request);
      const go = (view: ReadView | undefined): void => {
        if (this.clusterWaits.delete(wait)) this.begin(link, request, this.io.now, view);
      };
      // Whatever a session's token shows was committed before, so a round covers it.
      if (options.consistency === "cluster" && opensSnapshot(request.body, options))
        this.io.clusterSnapshot(locks(request.body), go);
      else this.io.clusterRead(() => go(undefined));
      return true;
    }
    if (options.session === undefined || options.session.length === 0 || this.ignoresTokens) return false;
    let session: ReadPoint;
    try {
      session = decodeSessionToken(options.session);
    } catch (cause) {
      this.failWithFollowers(
        link,
        request,
        new SixfoldError("bad-request", "the session token is malformed", { cause }),
      );
      return true;
    }
    if (this.io.shows(session)) return false;
    if (this.isCrowded(link, request)) return true;
    this.parked.push({ ...this.waitOf(link, request, now), session });
    this.queueBehind(request);
    return true;
  }

  /** Refuses what would have to wait, if as much waits as may. */
  private isCrowded(link: ClientLink, request: ClientRequest): boolean {
    if (this.waiting < LIMITS.waitingRequests) return false;
    this.failWithFollowers(link, request, tooManyWait(this.waiting));
    return true;
  }

  private waitOf(link: ClientLink, request: ClientRequest, now: number): Parked {
    const ref = refOf(request.body);
    const options = ref === undefined ? optionsAlone(request.body) : ref.begin;
    const maxLagMs = options?.consistency === "cluster" ? undefined : options?.maxLagMs;
    const limitMs = maxLagMs === undefined ? this.waitLimitMs : this.io.catchUpLimitMs;
    return { link, request, until: now + limitMs, session: undefined, maxLagMs };
  }

  private tooLate({ maxLagMs }: Parked, now: number): SixfoldError {
    const { catchUpLimitMs, freshAt } = this.io;
    if (maxLagMs !== undefined) return tooStale(maxLagMs, catchUpLimitMs, freshAt, now);
    return new SixfoldError(
      "unavailable",
      `the node was not able to serve this within ${this.waitLimitMs} ms`,
    );
  }

  private isTooOld(options: TransactionOptions, now: number): boolean {
    return !this.ignoresBounds && isTooOld(options, this.io.freshAt, now);
  }

  private queueBehind(request: ClientRequest): void {
    const ref = refOf(request.body);
    const tx = ref === undefined ? undefined : this.open.get(ref.id);
    if (tx !== undefined) tx.behind = [];
  }

  /** A request that waited goes in, and those behind it. */
  private begin(link: ClientLink, request: ClientRequest, now: number, view?: ReadView): void {
    const ref = refOf(request.body);
    const tx = ref === undefined ? undefined : this.open.get(ref.id);
    const behind = tx?.behind;
    if (tx !== undefined) tx.behind = undefined;
    this.pass(link, request, now, view);
    for (const later of behind ?? []) this.admit(link, later, now);
  }

  private pass(link: ClientLink, request: ClientRequest, now: number, view?: ReadView): void {
    try {
      this.dispatch(link, request, now, view);
    } catch (error) {
      if (!(error instanceof SixfoldError)) throw error;
      this.fail(link, request, error);
    }
  }

  private dispatch(
    link: ClientLink,
    { request, body }: ClientRequest,
    now: number,
    view: ReadView | undefined,
  ): void {
    const { engine } = this.io;
    switch (body.op) {
      case "get":
        return engine.get(
          this.ask(link, request, body),
          { tx: this.handle(body.tx), view, table: body.table, keys: body.keys, forUpdate: body.forUpdate },
          now,
        );
      case "scan": {
        const { table, gt, gte, lt, lte, limit, reverse } = body;
        return engine.scan(
          this.ask(link, request, body),
          { tx: this.handle(body.tx), view, table, gt, gte, lt, lte, limit, reverse },
          now,
        );
      }
      case "commit": {
        this.startCommit(body.tx.id, now);
        const tx = this.handle(body.tx)!;
        const isModest = this.writes.isModest(link);
        return engine.commit(this.ask(link, request, body), { tx, writes: body.writes, isModest }, now);
      }
      case "rollback":
        return engine.rollback(this.ask(link, request, body), body.tx.id, now);
      case "call": {
        const procedure = this.io.procedures.get(body.procedure);
        if (procedure === undefined)
          throw new SixfoldError(
            "unknown-procedure",
            `no procedure "${body.procedure}" is loaded at this node`,
          );
        const run = bindProcedure(procedure, body.args);
        this.startCommit(body.tx.id, now);
        const { isolation } = this.open.get(body.tx.id)?.options ?? DEFAULT_OPTIONS;
        const isModest = this.writes.isModest(link);
        return engine.call(
          this.ask(link, request, body),
          { tx: body.tx.id, isolation, procedure: body.procedure, run, bytes: body.args.length, isModest },
          now,
        );
      }
      case "createTable":
        this.startCommit(body.tx.id, now);
        return engine.createTable(this.ask(link, request, body), body.tx.id, body.table, now);
      case "dropTable":
        this.startCommit(body.tx.id, now);
        return engine.dropTable(this.ask(link, request, body), body.tx.id, body.table, now);
      case "listTables":
        return engine.listTables(this.ask(link, request, body), now);
      case "outcome":
      case "status":
        return;
    }
  }

  /** The number under which the engine answers. */
  private ask(link: ClientLink, request: number, body: ClientRequestBody): number {
    const number = this.nextRequest++;
    if (isWrite(body.op)) this.writes.began(link);
    this.asked.set(number, { link, request, op: body.op, tx: refOf(body)?.id });
    return number;
  }

  /**
   * I2, for what was said of the transaction while its request waited. An entry lives in the stream that its transaction's id
   * names: once that is closed, everybody answers `outcome` from it, so a transaction that outlived its stream must not be
   * committed in the next one. And one that was asked about here was called aborted.
   */
  private startCommit(id: TransactionId, now: number): void {
    const isBarred = this.log.isBarred(id);
    // Remembered from here on: who asks meanwhile must not hear that it never came.
    if (!isBarred && this.io.isOwn(id)) return this.log.started(id);
    this.io.engine.abandon(id, now);
    if (isBarred) throw aborted(id);
    throw new SixfoldError("fenced", "the stream that the transaction began in is closed", {
      details: { transaction: id },
    });
  }

  private handle(ref: TransactionRef | undefined): TxHandle | undefined {
    if (ref === undefined) return undefined;
    const tx = this.open.get(ref.id);
    const { isolation, consistency } = tx?.options ?? ref.begin ?? DEFAULT_OPTIONS;
    return { id: ref.id, isolation, consistency, began: tx?.began ?? ref.begin === undefined };
  }

  /** Keeps what is known of the transaction in step with the answer. */
  private closeBook(id: TransactionId, op: ClientRequestBody["op"], result: EngineResult): void {
    if (op === "get" || op === "scan") {
      const tx = this.open.get(id);
      if (tx === undefined) return;
      if (result.kind === "failed") this.open.delete(id);
      else tx.began = true;
      return;
    }
    this.open.delete(id);
    // Whoever lost the answer to a create or drop must not take it for a change: storage would say "aborted", too.
    if (op !== "commit" && result.kind === "committed" && isNone(result.version))
      this.log.ended(id, "aborted");
    else if (result.kind === "committed" || result.kind === "called") this.log.ended(id, "committed");
    else if (result.kind === "rolled-back") this.log.ended(id, "aborted");
    else if (result.kind === "failed")
      this.log.ended(id, result.error.outcome === "unknown" ? undefined : "aborted");
  }

  private fail(link: ClientLink, request: ClientRequest, error: SixfoldError): void {
    const ref = refOf(request.body);
    if (ref !== undefined) this.open.delete(ref.id);
    const { code, message, retryable, outcome, details } = error;
    this.answer(link, request.request, {
      op: "error",
      error: { code, message, retryable, outcome, details },
    });
  }

  private failWithFollowers(link: ClientLink, request: ClientRequest, error: SixfoldError): void {
    const ref = refOf(request.body);
    const behind = ref === undefined ? undefined : this.open.get(ref.id)?.behind;
    this.fail(link, request, error);
    for (const later of behind ?? []) this.fail(link, later, error);
  }

  private answer(link: ClientLink, request: number, result: ClientResult): void {
    if (!this.links.has(link)) return;
    const list = this.answers.get(link);
    if (list === undefined) this.answers.set(link, [{ request, result }]);
    else list.push({ request, result });
  }
}

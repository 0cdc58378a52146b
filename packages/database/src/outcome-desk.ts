/**
 * Clients' questions "what became of this transaction?": from the node's own memory if it knows, else from storage, one search for all
 * who ask about the same one. Whoever asks gets an answer: `unknown` after the wait limit, or at once if as many are asked for as may.
 */
import { LIMITS, type Trace, type TransactionId, type TransactionOutcome } from "@sixfold/model";
import type { ClientLink } from "./node-api.ts";
import type { TransactionLog } from "./transaction-log.ts";

export interface OutcomeDeskIo {
  /** Asks storage; answered through `found`. */
  findOutcome(id: TransactionId): void;
  answer(link: ClientLink, request: number, outcome: TransactionOutcome): void;
}

interface Question {
  readonly link: ClientLink;
  readonly request: number;
  readonly until: number;
}

export class OutcomeDesk {
  private readonly io: OutcomeDeskIo;
  private readonly log: TransactionLog;
  private readonly waitLimitMs: number;
  private readonly trace: Trace | undefined;
  private readonly questions = new Map<TransactionId, Question[]>();

  constructor(io: OutcomeDeskIo, log: TransactionLog, waitLimitMs: number, trace: Trace | undefined) {
    this.io = io;
    this.log = log;
    this.waitLimitMs = waitLimitMs;
    this.trace = trace;
  }

  ask(link: ClientLink, request: number, id: TransactionId, now: number): void {
    const known = this.log.outcome(id);
    if (known !== undefined) return this.tell(link, request, id, known);
    const question = { link, request, until: now + this.waitLimitMs };
    const asked = this.questions.get(id);
    if (asked !== undefined) return void asked.push(question);
    if (this.questions.size >= LIMITS.waitingRequests) return this.tell(link, request, id, "unknown");
    this.questions.set(id, [question]);
    this.io.findOutcome(id);
  }

  /** Storage's answer, as the node's own memory judges it. */
  found(id: TransactionId, outcome: TransactionOutcome): void {
    const questions = this.questions.get(id) ?? [];
    this.questions.delete(id);
    for (const { link, request } of questions) this.tell(link, request, id, outcome);
  }

  linkClosed(link: ClientLink): void {
    this.keep((question) => question.link !== link);
  }

  /** Nobody waits for ever: who has waited too long hears that it is not known yet, and may ask again. */
  expire(now: number): void {
    if (this.questions.size === 0) return;
    this.keep((question, id) => {
      if (question.until > now) return true;
      this.tell(question.link, question.request, id, "unknown");
      return false;
    });
  }

  get waiting(): number {
    return this.questions.size;
  }

  private keep(stays: (question: Question, id: TransactionId) => boolean): void {
    for (const [id, questions] of this.questions) {
      const left = questions.filter((question) => stays(question, id));
      if (left.length === 0) this.questions.delete(id);
      else if (left.length < questions.length) this.questions.set(id, left);
    }
  }

  private tell(link: ClientLink, request: number, id: TransactionId, outcome: TransactionOutcome): void {
    if (outcome !== "unknown") this.trace?.({ kind: "outcome", transaction: id, outcome });
    this.io.answer(link, request, outcome);
  }
}

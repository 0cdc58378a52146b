/**
 * A seat of the manifest: a CASPaxos acceptor (Rystsov, "CASPaxos: Replicated State Machines
 * without logs", 2018; DESIGN section 7).
 *
 *     prepare(b)    promise b if nothing higher was promised; tell what was accepted
 *     accept(b, v)  accept if nothing higher was promised
 *     peek          tell what is here, without a promise
 *
 * Promises and accepts are durable before they are told.
 *
 * Every segment server has one, and answers whoever asks: which six count is said by the manifest's own value, to the proposers
 * (`ManifestRegister` in @sixfold/volume). One that lost its place keeps what it promised; it may be named again.
 */
import type { Ballot, LogRecord, ManifestAccept, ManifestPeek, ManifestPrepare } from "@sixfold/wire";
import type { Manifest, PlantedBugs } from "@sixfold/model";
import type { Turn } from "./pg-state.ts";
import type { Link } from "./segment-api.ts";

export const NO_BALLOT: Ballot = Object.freeze({ round: 0, proposer: "" });

/** Rounds first, then proposers' names, compared by code units. */
export function isHigher(a: Ballot, b: Ballot): boolean {
  return a.round !== b.round ? a.round > b.round : a.proposer > b.proposer;
}

export class Seat {
  private readonly takesOlder: boolean;
  private readonly forgetsPromises: boolean;
  promised: Ballot = NO_BALLOT;
  accepted: { readonly ballot: Ballot; readonly value: Manifest } | undefined;

  constructor(planted: PlantedBugs) {
    this.takesOlder = planted.has("seat-takes-older-ballot");
    this.forgetsPromises = planted.has("seat-forgets-promise");
  }

  prepare(m: ManifestPrepare, from: Link, turn: Turn): void {
    // The same ballot again is a resend.
    const granted = !isHigher(this.promised, m.ballot);
    if (isHigher(m.ballot, this.promised)) {
      this.promised = m.ballot;
      if (!this.forgetsPromises) turn.record(this.record());
    }
    turn.tell(from, {
      type: "manifestPromise",
      request: m.request,
      granted,
      promised: this.promised,
      accepted: this.accepted,
    });
  }

  accept(m: ManifestAccept, from: Link, turn: Turn): void {
    const granted = this.takesOlder || !isHigher(this.promised, m.ballot);
    if (granted) {
      this.promised = m.ballot;
      this.accepted = { ballot: m.ballot, value: m.value };
      turn.record(this.record());
    }
    turn.tell(from, { type: "manifestAccepted", request: m.request, granted, promised: this.promised });
  }

  /** Waits for the sync of what it tells, like all answers. */
  peek(m: ManifestPeek, from: Link, turn: Turn): void {
    const promised = this.promised === NO_BALLOT ? undefined : this.promised;
    turn.tell(from, { type: "manifestPeeked", request: m.request, promised, value: this.accepted?.value });
  }

  record(): LogRecord {
    return { kind: "seat", promised: this.promised, accepted: this.accepted };
  }
}

/**
 * The manifest as a linearizable register: a CASPaxos proposer over six seats (Rystsov, "CASPaxos:
 * Replicated State Machines without logs", 2018; DESIGN section 7).
 *
 *     prepare(ballot) ──> 4 promises ──> value of the highest accepted ballot ──> change(value)
 *     accept(ballot, value') ──> 4 accepted ──> chosen
 *
 * A read is a change that changes nothing: it writes the value back, unless four promises show one
 * and the same accepted ballot; then that value is chosen already, and since any four meet any other
 * four, nothing chosen before this prepare can be newer.
 *
 * Operations run one at a time, in the order they were asked for; reads that wait share one round.
 * A round that fails starts over with a higher ballot after a seeded random pause that grows with
 * the defeats, so that duelling proposers part. A failed round may still have been chosen:
 * changes therefore recognise their own work ("closed already" is success).
 *
 * The proposer's name in a ballot is the node's and the seed's: an incarnation never reuses a
 * ballot of the one before it.
 */
import {
  assert,
  FENCE_QUORUM,
  REPLICAS,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type Random,
} from "@sixfold/model";
import type { Ballot, ManifestAccepted, ManifestPromise } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";
import type { VolumeSettings } from "./settings.ts";

/** Seats that must agree: 4 of 6. */
const MAJORITY = FENCE_QUORUM;
assert(2 * MAJORITY > REPLICAS, "two majorities of seats meet");

/** The manifest that should stand instead of `current`, or undefined to leave it. The register counts the revision. */
export type Change = (current: Manifest | undefined) => Manifest | undefined;

export interface RegisterResult {
  /** What stands now. Undefined: no manifest was ever written. */
  readonly manifest: Manifest | undefined;
  /** The change was made by this operation. */
  readonly changed: boolean;
}

export type Done = (result: RegisterResult, now: number) => void;

interface Operation {
  /** Undefined: a read. */
  readonly change: Change | undefined;
  readonly done: Done[];
}

type Accepted = { readonly ballot: Ballot; readonly value: Manifest } | undefined;

type Phase =
  | { readonly kind: "idle" }
  | { readonly kind: "pause"; readonly until: number }
  | {
      readonly kind: "prepare";
      readonly ballot: Ballot;
      readonly since: number;
      readonly promises: Map<NodeName, Accepted>;
      readonly refused: Set<NodeName>;
      readonly first: number;
    }
  | {
      readonly kind: "accept";
      readonly ballot: Ballot;
      readonly since: number;
      readonly value: Manifest;
      readonly changed: boolean;
      readonly granted: Set<NodeName>;
      readonly refused: Set<NodeName>;
      readonly first: number;
    };

export class ManifestRegister {
  private readonly out: Outbox;
  private readonly seats: readonly NodeName[];
  private readonly proposer: string;
  private readonly settings: VolumeSettings;
  private readonly random: Random;
  /** Seats that must agree: 4 of 6, unless a test plants another number. */
  private readonly majority: number;
  private readonly learn: (manifest: Manifest, now: number) => void;
  private readonly queue: Operation[] = [];
  private phase: Phase = { kind: "idle" };
  private highestRound = 0;
  private defeats = 0;
  /** For the status page. */
  rounds = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly seats: readonly NodeName[];
    readonly proposer: string;
    readonly settings: VolumeSettings;
    readonly random: Random;
    readonly planted?: PlantedBugs;
    /** Hears of every value that is known to be chosen, before the operation's own `done`. */
    readonly learn: (manifest: Manifest, now: number) => void;
  }) {
    assert(o.seats.length === REPLICAS, "the manifest has six seats");
    this.out = o.out;
    this.seats = o.seats;
    this.proposer = o.proposer;
    this.settings = o.settings;
    this.random = o.random;
    this.majority = o.planted?.has("manifest-majority-of-three") === true ? MAJORITY - 1 : MAJORITY;
    this.learn = o.learn;
  }

  /** A linearizable read: shows every change that was finished before the call. */
  read(done: Done, now: number): void {
    // The operation at the head may have begun before this call; a later one has not.
    for (let i = 1; i < this.queue.length; i++) {
      const waiting = this.queue[i]!;
      if (waiting.change === undefined) {
        waiting.done.push(done);
        return;
      }
    }
    this.enqueue({ change: undefined, done: [done] }, now);
  }

  change(change: Change, done: Done, now: number): void {
    this.enqueue({ change, done: [done] }, now);
  }

  serverUp(server: NodeName): void {
    const phase = this.phase;
    if (!this.seats.includes(server)) return;
    if (phase.kind === "prepare" && !phase.promises.has(server)) this.sendPrepare(server, phase.ballot);
    if (phase.kind === "accept" && !phase.granted.has(server))
      this.sendAccept(server, phase.ballot, phase.value);
  }

  tick(now: number): void {
    const phase = this.phase;
    if (phase.kind === "idle") return;
    if (phase.kind === "pause") {
      if (now >= phase.until) this.startRound(now);
    } else if (now - phase.since >= this.settings.registerTimeoutMs) this.startRound(now);
  }

  onPromise(from: NodeName, m: ManifestPromise, now: number): void {
    this.highestRound = Math.max(this.highestRound, m.promised.round);
    const phase = this.phase;
    if (phase.kind !== "prepare" || m.request < phase.first || !this.seats.includes(from)) return;
    if (!m.granted) {
      phase.refused.add(from);
      this.checkDefeat(phase.refused, now);
      return;
    }
    phase.promises.set(from, m.accepted);
    if (phase.promises.size >= this.majority)
      this.decideValue(phase.ballot, [...phase.promises.values()], now);
  }

  onAccepted(from: NodeName, m: ManifestAccepted, now: number): void {
    this.highestRound = Math.max(this.highestRound, m.promised.round);
    const phase = this.phase;
    if (phase.kind !== "accept" || m.request < phase.first || !this.seats.includes(from)) return;
    if (!m.granted) {
      phase.refused.add(from);
      this.checkDefeat(phase.refused, now);
      return;
    }
    phase.granted.add(from);
    if (phase.granted.size >= this.majority)
      this.finish({ manifest: phase.value, changed: phase.changed }, now);
  }

  private enqueue(operation: Operation, now: number): void {
    this.queue.push(operation);
    if (this.phase.kind === "idle") this.startRound(now);
  }

  private startRound(now: number): void {
    this.rounds++;
    this.highestRound++;
    const ballot: Ballot = { round: this.highestRound, proposer: this.proposer };
    const first = this.out.nextRequest();
    this.phase = { kind: "prepare", ballot, since: now, promises: new Map(), refused: new Set(), first };
    for (const seat of this.seats) this.sendPrepare(seat, ballot);
  }

  private decideValue(ballot: Ballot, promises: readonly Accepted[], now: number): void {
    let newest: Accepted;
    for (const p of promises)
      if (p !== undefined && (newest === undefined || isHigher(p.ballot, newest.ballot))) newest = p;
    const current = newest?.value;
    const operation = this.queue[0];
    assert(operation !== undefined, "a round runs for an operation");
    const next = operation.change?.(current);
    if (next === undefined) {
      // Nothing was ever chosen: four seats have accepted nothing, and now promise to refuse older ballots.
      if (newest === undefined) return this.finish({ manifest: undefined, changed: false }, now);
      const chosen =
        promises.filter((p) => p !== undefined && sameBallot(p.ballot, newest.ballot)).length >=
        this.majority;
      if (chosen) return this.finish({ manifest: newest.value, changed: false }, now);
      return this.startAccept(ballot, newest.value, false, now);
    }
    this.startAccept(ballot, { ...next, revision: (current?.revision ?? 0) + 1 }, true, now);
  }

  private startAccept(ballot: Ballot, value: Manifest, changed: boolean, now: number): void {
    const first = this.out.nextRequest();
    this.phase = {
      kind: "accept",
      ballot,
      since: now,
      value,
      changed,
      granted: new Set(),
      refused: new Set(),
      first,
    };
    for (const seat of this.seats) this.sendAccept(seat, ballot, value);
  }

  /** Enough seats have promised a higher ballot (or have no link) that this round cannot win: leave the field to the rival for a while. */
  private checkDefeat(refused: ReadonlySet<NodeName>, now: number): void {
    let possible = 0;
    for (const seat of this.seats) if (!refused.has(seat) && this.out.isUp(seat)) possible++;
    if (possible >= this.majority) return;
    this.defeats = Math.min(this.defeats + 1, 8);
    const pause = 1 + this.random.int(1 + this.settings.registerBackoffMs * this.defeats);
    this.phase = { kind: "pause", until: now + pause };
  }

  private finish(result: RegisterResult, now: number): void {
    this.defeats = 0;
    this.phase = { kind: "idle" };
    const operation = this.queue.shift();
    assert(operation !== undefined, "an operation finishes once");
    if (result.manifest !== undefined) this.learn(result.manifest, now);
    for (const done of operation.done) done(result, now);
    // A `done` that asked for more has started the next round itself if the queue was empty.
    if (this.phase.kind === "idle" && this.queue.length > 0) this.startRound(now);
  }

  private sendPrepare(seat: NodeName, ballot: Ballot): void {
    this.out.send(seat, { type: "manifestPrepare", request: this.out.nextRequest(), ballot });
  }

  private sendAccept(seat: NodeName, ballot: Ballot, value: Manifest): void {
    this.out.send(seat, { type: "manifestAccept", request: this.out.nextRequest(), ballot, value });
  }
}

export function isHigher(a: Ballot, b: Ballot): boolean {
  return a.round !== b.round ? a.round > b.round : a.proposer > b.proposer;
}

function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.round === b.round && a.proposer === b.proposer;
}

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
 * **The seats move**, and the value itself says where to: C -> C and C' -> C' (`seatSets`; the steps are Raft's joint consensus).
 *
 * 1. Phase 1 is done when a majority of every set that the newest value found names has promised. Promises are asked for at those
 *    whom the newest manifest known here names; who knows none asks all servers it was configured with; and as promises name others,
 *    those are asked too.
 * 2. A value is chosen once a majority of every set that *it* names has accepted it.
 * 3. A value that names other sets than the one it follows is proposed only if phase 1 saw that one chosen; until then it is
 *    written back. So a move ends only when majorities of C and of C' hold the value with both.
 *
 * Why a round always finds what was chosen before. Suppose not: let b' be the first round whose phase 1 ends with a newest value u
 * older than one chosen earlier, and w, of ballot b, the first value it so misses. Both come, each by its own line of changes, from a
 * last common value g. Nothing else on the two lines since g was chosen: b' found what was chosen before w, and each round before b'
 * what was chosen before itself, so it would stand on both. By rule 3, then, neither line moves the seats more than once, and that
 * right over g. Whatever one step makes of g's sets, any two of the results share a set: from {C} all hold C, from {C, C'} all hold
 * C'. (Hence no step from {C, C'} back to {C}.) In that set a majority accepted w (rule 2), and a majority promised b' (rule 1); a
 * seat in both either accepted w first and shows b' something as new, or promised first and refuses w. So
 *
 * - a stale proposer that knows only C finds there at least the value with C and C', and goes on to C', however long it slept;
 * - one that sleeps in its phase 2 at C is refused by a majority of C, which promised the round that began the move;
 * - seats of C' that missed the value with both hold nothing: they are promises like others, since a majority of C' does hold it;
 * - sets may come back (C -> C' -> C): the argument speaks of ballots, and a server that left its seat still keeps its promises. One
 *   that lost its disk must come back under another name.
 *
 * `seat-rules.test` tries the rules in full at a small size, and without each of them.
 *
 * Where nothing was ever written, the sets are `firstSeats`, the same at every proposer, and no majority may hide among the servers
 * that were not heard.
 *
 * Operations run one at a time, in the order they were asked for; reads that wait share one round.
 * A round that fails starts over with a higher ballot after a seeded random pause that grows with
 * the defeats and with the time that rounds take, so that duelling proposers part; one without answers is given longer each
 * time, or many proposers would drown slow seats in numbers. A failed round may still have been chosen:
 * changes therefore recognise their own work ("closed already" is success).
 *
 * The proposer's name in a ballot is the node's and the seed's: an incarnation never reuses a
 * ballot of the one before it.
 */
import {
  assert,
  FENCE_QUORUM,
  placeSegments,
  REPLICAS,
  seatSets,
  seatStep,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type Random,
  type SegmentServerInfo,
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

type SeatSets = readonly (readonly NodeName[])[];

interface Prepare {
  readonly kind: "prepare";
  readonly ballot: Ballot;
  readonly since: number;
  /** Answers to older requests are not of this round. */
  readonly first: number;
  readonly asked: Set<NodeName>;
  readonly promises: Map<NodeName, Accepted>;
  readonly refused: Set<NodeName>;
  /** Of the highest ballot among the promises. */
  newest: Accepted;
  /** The same among all answers: only tells whom else to ask, and whose refusals are a defeat. */
  heard: Accepted;
}

interface Accept {
  readonly kind: "accept";
  readonly ballot: Ballot;
  readonly since: number;
  readonly first: number;
  readonly value: Manifest;
  /** `wrote-back` answers a read; `settled` only makes sure of the value that a move of the seats is to follow. */
  readonly result: "changed" | "wrote-back" | "settled";
  /** Who is asked; those who lose their seat by this value hear of it, but do not count. */
  readonly asked: Set<NodeName>;
  readonly granted: Set<NodeName>;
  readonly refused: Set<NodeName>;
}

type Phase =
  { readonly kind: "idle" } | { readonly kind: "pause"; readonly until: number } | Prepare | Accept;

/** In a row; more do not lengthen pauses and patience. */
const DEFEATS_MOST = 8;

export class ManifestRegister {
  /** Where the first value is written: the six that `placeSegments` picks for PG 0. */
  readonly firstSeats: readonly NodeName[];
  private readonly out: Outbox;
  private readonly bootstrap: readonly NodeName[];
  private readonly proposer: string;
  private readonly settings: VolumeSettings;
  private readonly random: Random;
  /** Seats of each set that must agree: 4 of 6, unless a test plants another number. */
  private readonly majority: number;
  private readonly oldSeatsOnly: boolean;
  private readonly movesUnsettled: boolean;
  private readonly learn: (manifest: Manifest, now: number) => void;
  private readonly queue: Operation[] = [];
  private phase: Phase = { kind: "idle" };
  /** The newest value known to be chosen. */
  private known: Manifest | undefined;
  /** Those whom `known` names were asked in vain; they may not be the seats any more. */
  private lost = false;
  private highestRound = 0;
  private defeats = 0;
  /** The present round follows at once on one whose number was too low. */
  private isRepeated = false;
  /** For the status page. */
  rounds = 0;

  constructor(o: {
    readonly out: Outbox;
    /** All servers configured, spare ones too. At least a majority of the present seats should be among them; the rest follows from what those hold. */
    readonly bootstrap: readonly SegmentServerInfo[];
    readonly proposer: string;
    readonly settings: VolumeSettings;
    readonly random: Random;
    readonly planted?: PlantedBugs;
    /** Hears of every value that is known to be chosen, before the operation's own `done`. */
    readonly learn: (manifest: Manifest, now: number) => void;
  }) {
    const firstSeats = placeSegments(o.bootstrap, new Map());
    assert(firstSeats !== undefined, "the manifest has six seats, two in each of three zones");
    this.firstSeats = firstSeats;
    this.out = o.out;
    this.bootstrap = o.bootstrap.map((s) => s.name);
    this.proposer = o.proposer;
    this.settings = o.settings;
    this.random = o.random;
    this.majority = o.planted?.has("manifest-majority-of-three") === true ? MAJORITY - 1 : MAJORITY;
    this.oldSeatsOnly = o.planted?.has("moving-seats-in-old-set-only") === true;
    this.movesUnsettled = o.planted?.has("seats-move-unsettled") === true;
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
    if (phase.kind === "prepare" && phase.asked.has(server) && !phase.promises.has(server))
      this.sendPrepare(server, phase.ballot);
    if (phase.kind === "accept" && phase.asked.has(server) && !phase.granted.has(server))
      this.sendAccept(server, phase.ballot, phase.value);
  }

  tick(now: number): void {
    const phase = this.phase;
    if (phase.kind === "idle") return;
    if (phase.kind === "pause") {
      if (now >= phase.until) this.startRound(now);
    } else if (now - phase.since >= this.patienceMs) {
      if (phase.kind === "prepare") this.lost = true;
      this.defeats = Math.min(this.defeats + 1, DEFEATS_MOST);
      this.startRound(now);
    } else if (phase.refused.size > 0 && now - phase.since >= this.settings.registerDuelMs)
      this.defeated(now);
  }

  onPromise(from: NodeName, m: ManifestPromise, now: number): void {
    this.highestRound = Math.max(this.highestRound, m.promised.round);
    const phase = this.phase;
    if (phase.kind !== "prepare" || m.request < phase.first || !phase.asked.has(from)) return;
    if (m.accepted !== undefined && isNewer(m.accepted, phase.heard)) {
      phase.heard = m.accepted;
      for (const set of this.setsFor(m.accepted.value)) for (const seat of set) this.ask(phase, seat);
    }
    if (!m.granted) {
      phase.refused.add(from);
      this.checkDefeat(this.setsFor(phase.heard?.value), phase.refused, now);
      return;
    }
    phase.promises.set(from, m.accepted);
    if (m.accepted !== undefined && isNewer(m.accepted, phase.newest)) phase.newest = m.accepted;
    if (this.hasPromises(phase)) this.decideValue(phase, now);
  }

  onAccepted(from: NodeName, m: ManifestAccepted, now: number): void {
    this.highestRound = Math.max(this.highestRound, m.promised.round);
    const phase = this.phase;
    if (phase.kind !== "accept" || m.request < phase.first || !phase.asked.has(from)) return;
    const { value, result, granted, refused } = phase;
    if (!m.granted) {
      refused.add(from);
      this.checkDefeat(this.setsFor(value), refused, now);
      return;
    }
    granted.add(from);
    if (!this.inEach(this.setsFor(value), (seat) => granted.has(seat))) return;
    if (result !== "settled") return this.finish({ manifest: value, changed: result === "changed" }, now);
    this.known = value;
    this.startRound(now);
  }

  /** How long a round may take. */
  private get patienceMs(): number {
    return this.settings.registerTimeoutMs * (1 + this.defeats);
  }

  private enqueue(operation: Operation, now: number): void {
    this.queue.push(operation);
    if (this.phase.kind === "idle") this.startRound(now);
  }

  private startRound(now: number): void {
    this.rounds++;
    this.highestRound++;
    const phase: Prepare = {
      kind: "prepare",
      ballot: { round: this.highestRound, proposer: this.proposer },
      since: now,
      first: this.out.nextRequest(),
      asked: new Set(),
      promises: new Map(),
      refused: new Set(),
      newest: undefined,
      heard: undefined,
    };
    this.phase = phase;
    const { known } = this;
    if (known !== undefined)
      for (const set of this.setsFor(known)) for (const seat of set) this.ask(phase, seat);
    if (known !== undefined && !this.lost) return;
    for (const server of this.bootstrap) this.ask(phase, server);
    for (const { name } of known?.servers ?? []) this.ask(phase, name);
  }

  private ask(phase: Prepare, server: NodeName): void {
    if (phase.asked.has(server)) return;
    phase.asked.add(server);
    this.sendPrepare(server, phase.ballot);
  }

  /** Rule 1. */
  private hasPromises({ promises, newest }: Prepare): boolean {
    if (!this.inEach(this.setsFor(newest?.value), (seat) => promises.has(seat))) return false;
    if (newest !== undefined) return true;
    // The list of who created the volume may have picked other first seats than this one.
    const unheard = this.bootstrap.filter((server) => !promises.has(server)).length;
    return this.known === undefined && unheard < MAJORITY;
  }

  private decideValue({ ballot, promises, newest }: Prepare, now: number): void {
    const current = newest?.value;
    const operation = this.queue[0];
    assert(operation !== undefined, "a round runs for an operation");
    const next = operation.change?.(current);
    if (current === undefined || newest === undefined) {
      // Nothing was ever chosen: four seats have accepted nothing, and now promise to refuse older ballots.
      if (next === undefined) return this.finish({ manifest: undefined, changed: false }, now);
      const first = { seats: this.firstSeats, nextSeats: [] };
      assert(seatStep(first, next) === "none", "the first manifest names the first seats");
      return this.startAccept(ballot, undefined, { ...next, revision: 1 }, "changed", now);
    }
    const chosen = this.inEach(this.setsFor(current), (seat) => {
      const accepted = promises.get(seat);
      return accepted !== undefined && sameBallot(accepted.ballot, newest.ballot);
    });
    if (next === undefined) {
      if (chosen) return this.finish({ manifest: current, changed: false }, now);
      return this.startAccept(ballot, current, current, "wrote-back", now);
    }
    const step = seatStep(current, next);
    assert(step !== "forbidden", "the seats move by way of both sets");
    // Rule 3.
    if (step !== "none" && !chosen && !this.movesUnsettled)
      return this.startAccept(ballot, current, current, "settled", now);
    this.startAccept(ballot, current, { ...next, revision: current.revision + 1 }, "changed", now);
  }

  private startAccept(
    ballot: Ballot,
    current: Manifest | undefined,
    value: Manifest,
    result: Accept["result"],
    now: number,
  ): void {
    const asked = new Set([...this.setsFor(value), ...this.setsFor(current)].flat());
    const first = this.out.nextRequest();
    const [granted, refused] = [new Set<NodeName>(), new Set<NodeName>()];
    this.phase = { kind: "accept", ballot, since: now, first, value, result, asked, granted, refused };
    for (const seat of asked) this.sendAccept(seat, ballot, value);
  }

  /**
   * Enough seats have promised a higher ballot (or have no link) that this round cannot win. Either its number was out of date, for rivals have
   * had rounds since this proposer's last: then the next number will do, at once. Or a rival is at it: leave the field to it for a while.
   */
  private checkDefeat(sets: SeatSets, refused: ReadonlySet<NodeName>, now: number): void {
    if (!this.inEach(sets, (seat) => !refused.has(seat) && this.out.isUp(seat))) this.defeated(now);
  }

  private defeated(now: number): void {
    if (this.phase.kind === "prepare" && !this.isRepeated) {
      this.isRepeated = true;
      return this.startRound(now);
    }
    this.isRepeated = false;
    this.defeats = Math.min(this.defeats + 1, DEFEATS_MOST);
    // Where seats are slow, so is the rival who is to win: it needs about as long as this round had. But one that takes longer than a
    // round may has lost the seats, as this one perhaps had.
    const tookMs = this.phase.kind === "prepare" || this.phase.kind === "accept" ? now - this.phase.since : 0;
    const unitMs = Math.max(this.settings.registerBackoffMs, Math.ceil(tookMs));
    const pause = 1 + this.random.int(1 + Math.min(unitMs * this.defeats, this.patienceMs));
    this.phase = { kind: "pause", until: now + pause };
  }

  private finish(result: RegisterResult, now: number): void {
    this.defeats = 0;
    this.isRepeated = false;
    this.lost = false;
    this.phase = { kind: "idle" };
    const operation = this.queue.shift();
    assert(operation !== undefined, "an operation finishes once");
    if (result.manifest !== undefined) {
      this.known = result.manifest;
      this.learn(result.manifest, now);
    }
    for (const done of operation.done) done(result, now);
    // A `done` that asked for more has started the next round itself if the queue was empty.
    if (this.phase.kind === "idle" && this.queue.length > 0) this.startRound(now);
  }

  /** The sets that a value names; of no value, the first. */
  private setsFor(value: Manifest | undefined): SeatSets {
    if (value === undefined) return [this.firstSeats];
    return this.oldSeatsOnly ? [value.seats] : seatSets(value);
  }

  /** Does this hold of a majority of each set? */
  private inEach(sets: SeatSets, holds: (seat: NodeName) => boolean): boolean {
    return sets.every((set) => set.filter(holds).length >= this.majority);
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

function isNewer(a: NonNullable<Accepted>, than: Accepted): boolean {
  return than === undefined || isHigher(a.ballot, than.ballot);
}

function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.round === b.round && a.proposer === b.proposer;
}

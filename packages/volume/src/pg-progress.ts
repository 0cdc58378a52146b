/**
 * How far the own stream has come in one PG, segment by segment.
 *
 *     SCL   per segment: no slice up to here is missing there
 *     PGCL  the fourth highest SCL: a write quorum has everything up to here
 *     known the fourth highest `decidedThrough`: decisions up to here are durable on four of six,
 *           so batches need not carry them any more (DESIGN section 6)
 *
 * Segments are numbered in the order of the manifest's members. While these change, a quorum is one of each set of six.
 */
import {
  assert,
  maxLsn,
  minLsn,
  NO_BUGS,
  OWNED_QUORUM,
  REPLICAS,
  type Lsn,
  type NodeName,
  type PgId,
  type PlantedBugs,
  type Slice,
} from "@sixfold/model";
import { RetainedSlices } from "./retained.ts";
import { RivalWaits } from "./rival-waits.ts";
import type { SentOn } from "./sent.ts";

/** While the members change there are those of both sets. */
const MEMBERS_MAX = 2 * REPLICAS;

/** Bits set in a mask. */
const BITS = Uint8Array.from({ length: 1 << MEMBERS_MAX }, (_, mask) => {
  let n = 0;
  for (let bits = mask; bits !== 0; bits &= bits - 1) n++;
  return n;
});
export const countBits = (mask: number): number => BITS[mask]!;

const scratch = new Float64Array(REPLICAS);

/** The highest position that `quorum` segments of a set of six have reached. */
function reachedBy(quorum: number, positions: readonly number[], set: number): Lsn {
  // Insertion sort of six numbers, descending: no allocation, and mostly sorted already.
  let n = 0;
  for (let i = 0; i < positions.length; i++) {
    if ((set & (1 << i)) === 0) continue;
    const x = positions[i]!;
    let j = n++;
    for (; j > 0 && scratch[j - 1]! < x; j--) scratch[j] = scratch[j - 1]!;
    scratch[j] = x;
  }
  return scratch[quorum - 1] as Lsn;
}

export class PgProgress {
  readonly pg: PgId;
  /** Six, or those of both sets while they change: newcomers last. */
  members: readonly NodeName[] = [];
  /** Each set of six that must agree, as a mask. */
  private sets: readonly number[] = [];
  readonly kept = new RetainedSlices<SentOn<PgProgress>>();
  scl: number[] = [];
  decidedThrough: number[] = [];
  /** When the segment's SCL last moved, or slices were first sent to it after it had all. */
  movedAt: number[] = [];
  pgcl = 0 as Lsn;
  known = 0 as Lsn;
  /** Last LSN with a slice in this PG: the next one's back-link. */
  lastSlice = 0 as Lsn;
  /** Last decided LSN with a slice here, and the last committed one. */
  lastDecided = 0 as Lsn;
  lastCommitted = 0 as Lsn;
  /** Decisions sent to this PG's segments reach to here. */
  decidedSent = 0 as Lsn;
  readonly rivals = new RivalWaits();
  /** Aborts beyond the durable point that this PG's segments have not been sent. */
  hasNewAborts = false;
  /** Since when decisions wait to be sent; undefined while none do. */
  dirtySince: number | undefined;
  decisionsSentAt = 0;
  /** Segments that get batches as they are sent; others are first asked where they stand. */
  live = 0;
  /** Segments that fell too far behind: gossip brings what they lack, until they are taken back. */
  left = 0;
  /** Last LSN sent to each on its present link. */
  sentTo: number[] = [];
  /** Answers to slices up to here say nothing of how long an answer takes: they were sent again. */
  resentTo: number[] = [];
  /** Bytes that a write quorum has and a live segment has not, as last counted. */
  behind: number[] = [];
  /** Segments that were asked, and whose next ack says what to send again. */
  asked = 0;
  /** Of those asked, the ones that have moved since: what was sent to them before comes in, and is not to be sent again. */
  stirred = 0;
  /** Slices cut for the batch that is being made. */
  outgoing: Slice[] = [];
  /** Place in the writer's list of PGs with slices that no quorum has, or -1. */
  pendingIndex = -1;
  /** This PG alone: shared by all entries with a single slice. */
  readonly alone: readonly PgProgress[];

  /** Segments that make a position durable: 4, unless a test plants another number. */
  private readonly quorum: number;

  /** Planted: of two sets only the old one counts. */
  private readonly oldSetOnly: boolean;

  constructor(
    pg: PgId,
    sets: readonly (readonly NodeName[])[],
    quorum = OWNED_QUORUM,
    planted: PlantedBugs = NO_BUGS,
  ) {
    this.quorum = quorum;
    this.oldSetOnly = planted.has("one-set-of-two");
    this.pg = pg;
    this.alone = [this];
    this.takeMembers(sets);
  }

  hasSets(sets: readonly (readonly NodeName[])[]): boolean {
    return sets.length === this.sets.length && sets.every((set, i) => this.maskOf(set) === this.sets[i]);
  }

  /** Its segments have been sent every decision on slices here, and every abort. */
  get isTold(): boolean {
    return this.lastDecided <= this.decidedSent && !this.hasNewAborts;
  }

  /** Everybody. */
  get all(): number {
    return (1 << this.members.length) - 1;
  }

  /** Segments of `mask` in the set that has fewest of them: what a quorum is held against. */
  count(mask: number): number {
    const { sets } = this;
    let fewest = countBits(mask & sets[0]!);
    for (let i = 1; i < sets.length; i++) fewest = Math.min(fewest, countBits(mask & sets[i]!));
    return fewest;
  }

  maskOf(servers: Iterable<NodeName>): number {
    let mask = 0;
    for (const server of servers) {
      const member = this.members.indexOf(server);
      if (member >= 0) mask |= 1 << member;
    }
    return mask;
  }

  /** Whoever is of none of these sets is forgotten; newcomers begin with nothing. */
  takeMembers(sets: readonly (readonly NodeName[])[]): void {
    assert(
      sets.every((set) => set.length === REPLICAS) && sets.length <= 2,
      "a protection group has six segments",
    );
    const members = [...new Set(sets.flat())];
    const from = members.map((name) => this.members.indexOf(name));
    const moved = (positions: readonly number[]): number[] => from.map((i) => positions[i] ?? 0);
    const movedMask = (mask: number): number =>
      from.reduce((to, i, member) => (i >= 0 && (mask & (1 << i)) !== 0 ? to | (1 << member) : to), 0);
    this.scl = moved(this.scl);
    this.decidedThrough = moved(this.decidedThrough);
    this.movedAt = moved(this.movedAt);
    this.sentTo = moved(this.sentTo);
    this.resentTo = moved(this.resentTo);
    this.behind = moved(this.behind);
    this.live = movedMask(this.live);
    this.left = movedMask(this.left);
    this.asked = movedMask(this.asked);
    this.stirred = movedMask(this.stirred);
    for (const sent of this.kept.all()) {
      sent.accepts = movedMask(sent.accepts);
      sent.waits = movedMask(sent.waits);
      const { blockers } = sent;
      if (blockers !== undefined) sent.blockers = from.map((i) => blockers[i]);
    }
    this.members = members;
    this.sets = (this.oldSetOnly ? sets.slice(0, 1) : sets).map((set) => this.maskOf(set));
    this.known = maxLsn(this.known, this.reached(OWNED_QUORUM, this.decidedThrough));
    this.reachOn();
  }

  /** Takes an ack's positions; true if the PGCL moved. Positions never go back: acks are of durable things. */
  acked(member: number, scl: Lsn, decidedThrough: Lsn, now: number): boolean {
    if (decidedThrough > this.decidedThrough[member]!) {
      this.decidedThrough[member] = decidedThrough;
      this.known = maxLsn(this.known, this.reached(OWNED_QUORUM, this.decidedThrough));
    }
    if (scl <= this.scl[member]!) return false;
    this.scl[member] = scl;
    this.movedAt[member] = now;
    return this.reachOn();
  }

  /** What a quorum has once reached stays so, whoever comes and goes: nobody leaves before others have it. */
  private reachOn(): boolean {
    const reached = this.reached(this.quorum, this.scl);
    if (reached <= this.pgcl) return false;
    this.pgcl = reached;
    this.kept.reached(reached);
    return true;
  }

  private reached(quorum: number, positions: readonly number[]): Lsn {
    let lowest = reachedBy(quorum, positions, this.sets[0]!);
    for (let i = 1; i < this.sets.length; i++)
      lowest = minLsn(lowest, reachedBy(quorum, positions, this.sets[i]!));
    return lowest;
  }

  /** Segments that know the decision of the slice at `at`, and have it. A decision may be there before its slice. */
  holdersOf(at: Lsn): number {
    let holders = 0;
    for (let i = 0; i < this.members.length; i++)
      if (this.scl[i]! >= at && this.decidedThrough[i]! >= at) holders |= 1 << i;
    return this.count(holders);
  }

  /** The position that all have reached. */
  slowest(): Lsn {
    let low = this.scl[0]!;
    for (let i = 1; i < this.scl.length; i++) if (this.scl[i]! < low) low = this.scl[i]!;
    return low as Lsn;
  }

  /** Names of the segments in `mask`. */
  names(mask: number): readonly NodeName[] {
    if (mask === this.all) return this.members;
    return this.members.filter((_, i) => (mask & (1 << i)) !== 0);
  }
}

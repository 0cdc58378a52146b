/**
 * Who keeps a protection group, and how that changes (DESIGN section 7, "Membership"; Aurora, SIGMOD 2018, "Quorum sets and epochs").
 *
 *     epoch 1   A = {a1 a2 b1 b2 c1 c2}
 *     epoch 2   A and B = {a1 a3 b1 b2 c1 c2}     a2 is to leave, a3 copies from its peers
 *     epoch 3   B, or A again
 *
 * In the middle an entry needs its quorum in A *and* in B, so either way back or forth is open, and no step stops a writer. A step is
 * taken by compare-and-set, and only when nothing depends any more on the sets of before it: every open stream's writer has said (in
 * its stream's `epoch`) that all its entries of earlier epochs are decided, durably on four of each set.
 *
 * Here are the sets and the steps; `@sixfold/volume` says when a step is due.
 */
import { assert } from "./assert.ts";
import { epoch, type Epoch, type NodeName, type PgId } from "./ids.ts";
import { openStreams, type Manifest, type MemberChange, type SegmentServerInfo } from "./manifest.ts";
import { REPLICAS, ZONES } from "./quorum.ts";

export function changeOf(m: Manifest, pg: PgId): MemberChange | undefined {
  return m.changes.find((c) => c.pg === pg);
}

/**
 * The sets of six in which an entry that its writer sent in epoch `at` needs its quorum, of those that still exist. Entries of a PG's
 * earlier memberships are all decided (see `mayStep`).
 */
export function setsOf(m: Manifest, pg: PgId, at: Epoch = m.epoch): readonly (readonly NodeName[])[] {
  const members = m.pgs[pg] ?? [];
  const change = changeOf(m, pg);
  return change === undefined || at < change.since ? [members] : [members, change.to];
}

/** Everybody who keeps the PG, newcomers last. */
export function membersOf(m: Manifest, pg: PgId): readonly NodeName[] {
  const [members, to = []] = setsOf(m, pg);
  return [...members!, ...to.filter((name) => !members!.includes(name))];
}

/** Do all writers know of epoch `since`, with nothing of before it left undecided? */
export function isPast(m: Manifest, since: Epoch): boolean {
  return openStreams(m).every((s) => s.epoch >= since);
}

/** Why `leaving` cannot be replaced in this PG by `joining` now; undefined if it can. */
export function refusedChange(
  m: Manifest,
  pg: PgId,
  leaving: NodeName,
  joining: NodeName,
): string | undefined {
  const members = m.pgs[pg];
  if (members === undefined) return `there is no PG ${pg}`;
  if (changeOf(m, pg) !== undefined) return `PG ${pg} is changing members already`;
  if (!members.includes(leaving)) return `${leaving} keeps no segment of PG ${pg}`;
  if (members.includes(joining)) return `${joining} keeps a segment of PG ${pg} already`;
  const zone = zoneOf(m, leaving);
  if (zone === undefined || zoneOf(m, joining) !== zone) return `${joining} is not in ${leaving}'s zone`;
  return isPast(m, m.epoch) ? undefined : "the step before it is still under way";
}

/** The first step, of several PGs at once. Each must not be refused. */
export function beginChanges(
  m: Manifest,
  steps: readonly { readonly pg: PgId; readonly leaving: NodeName; readonly joining: NodeName }[],
): Manifest {
  const since = epoch(m.epoch + 1);
  const begun = steps.map(({ pg, leaving, joining }): MemberChange => {
    assert(refusedChange(m, pg, leaving, joining) === undefined, "a change of members begins where it may");
    return { pg, since, to: m.pgs[pg]!.map((name) => (name === leaving ? joining : name)) };
  });
  return { ...m, epoch: since, changes: [...m.changes, ...begun].sort((a, b) => a.pg - b.pg) };
}

/** The second step of these PGs: to the new six, or back to the old. */
export function endChanges(m: Manifest, pgs: readonly PgId[], outcome: "finished" | "taken-back"): Manifest {
  const members = [...m.pgs];
  for (const pg of pgs) {
    const change = changeOf(m, pg);
    assert(change !== undefined && isPast(m, change.since), "a change of members ends when all are past it");
    if (outcome === "finished") members[pg] = change.to;
  }
  const changes = m.changes.filter((c) => !pgs.includes(c.pg));
  return { ...m, epoch: epoch(m.epoch + 1), pgs: members, changes };
}

/** Segments that each server keeps, those it is taking in included. */
export function segmentsPerServer(m: Manifest): Map<NodeName, number> {
  const counts = new Map<NodeName, number>(m.servers.map((s) => [s.name, 0]));
  m.pgs.forEach((_, pg) => {
    for (const name of membersOf(m, pg as PgId)) counts.set(name, (counts.get(name) ?? 0) + 1);
  });
  return counts;
}

/** Six servers for a new PG, two in each zone, where least is kept; undefined if a zone has fewer. */
export function placeSegments(
  servers: readonly SegmentServerInfo[],
  kept: ReadonlyMap<NodeName, number>,
): readonly NodeName[] | undefined {
  const zones = [...new Set(servers.map((s) => s.az))].sort();
  if (zones.length !== ZONES) return undefined;
  const perZone = REPLICAS / ZONES;
  const members = zones.flatMap((az) =>
    servers
      .filter((s) => s.az === az)
      .sort((a, b) => (kept.get(a.name) ?? 0) - (kept.get(b.name) ?? 0))
      .slice(0, perZone)
      .map((s) => s.name),
  );
  return members.length === REPLICAS ? members : undefined;
}

/** Where the segments of a lost server go: of its zone, for each PG the server that keeps least and is no member yet. */
export function placeReplacements(
  m: Manifest,
  leaving: NodeName,
  candidates: readonly NodeName[],
): { readonly pg: PgId; readonly leaving: NodeName; readonly joining: NodeName }[] {
  const kept = segmentsPerServer(m);
  const steps: { pg: PgId; leaving: NodeName; joining: NodeName }[] = [];
  m.pgs.forEach((members, index) => {
    const pg = index as PgId;
    if (!members.includes(leaving)) return;
    const joining = candidates
      .filter((name) => refusedChange(m, pg, leaving, name) === undefined)
      .sort((a, b) => (kept.get(a) ?? 0) - (kept.get(b) ?? 0))[0];
    if (joining === undefined) return;
    kept.set(joining, (kept.get(joining) ?? 0) + 1);
    steps.push({ pg, leaving, joining });
  });
  return steps;
}

function zoneOf(m: Manifest, name: NodeName): string | undefined {
  return m.servers.find((s) => s.name === name)?.az;
}

// The seats: the six servers that hold the manifest itself. They move by the same two steps, {C} -> {C, C'} -> {C'}, with no way back:
// rounds of the register that disagree on a step must still meet (see `ManifestRegister`). Who wants C again moves there.

type Seats = Pick<Manifest, "seats" | "nextSeats">;

/** In each of these sets a majority holds the manifest. */
export function seatSets(m: Seats): readonly (readonly NodeName[])[] {
  return m.nextSeats.length === 0 ? [m.seats] : [m.seats, m.nextSeats];
}

/** From now on both sets hold it. Where enough of `to` are out of reach, the manifest cannot be changed until they are back. */
export function moveSeats(m: Manifest, to: readonly NodeName[]): Manifest {
  assert(m.nextSeats.length === 0, "one move of the seats at a time");
  assert(new Set(to).size === REPLICAS, "the manifest has six seats");
  assert(
    to.every((name) => m.servers.some((s) => s.name === name)),
    "seats are taken by servers of the volume",
  );
  return { ...m, nextSeats: to };
}

/** From now on the new set alone holds it. */
export function endMove(m: Manifest): Manifest {
  assert(m.nextSeats.length > 0, "the seats are moving");
  return { ...m, seats: m.nextSeats, nextSeats: [] };
}

export type SeatStep = "none" | "begins" | "ends" | "forbidden";

/** What the next revision does with the seats. */
export function seatStep(before: Seats, after: Seats): SeatStep {
  const stay = sameNames(before.seats, after.seats);
  if (stay && sameNames(before.nextSeats, after.nextSeats)) return "none";
  if (stay && before.nextSeats.length === 0) return "begins";
  const ends = before.nextSeats.length > 0 && after.nextSeats.length === 0;
  return ends && sameNames(before.nextSeats, after.seats) ? "ends" : "forbidden";
}

function sameNames(a: readonly NodeName[], b: readonly NodeName[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

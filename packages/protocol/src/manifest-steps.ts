/**
 * What changed from one manifest to the next, as steps that conditions can be written over.
 *
 *     ruled    the manifest's word on one entry: an outcome that was not there, or what a close makes of an entry
 *              that it does not list (beyond the final LSN: abort; between the listed ones: commit)
 *     closed   a stream is closed; comes before its rulings
 *     left     an outcome is no longer listed; the stream's decisions are known elsewhere
 *
 * Revisions in between may never have been learned by anybody who told. What they held and dropped is then not seen.
 */
import {
  lsn,
  openStreams,
  seatStep,
  streamState,
  ZERO_LSN,
  type ClosedStream,
  type Decision,
  type Lsn,
  type Manifest,
  type Outcome,
  type PgId,
  type StreamId,
} from "@sixfold/model";

export type ManifestStep =
  | {
      readonly kind: "ruled";
      readonly stream: StreamId;
      readonly lsn: Lsn;
      readonly decision: Decision;
      /** The close rules, not the writer by way of the manifest. */
      readonly byClose: boolean;
    }
  | { readonly kind: "closed"; readonly stream: StreamId; readonly final: Lsn }
  | {
      readonly kind: "left";
      readonly stream: StreamId;
      readonly lsn: Lsn;
      readonly decision: Decision;
      readonly pgs: readonly PgId[];
    };

/** `sentAfter`: LSNs that were sent of a stream, beyond the one given, ascending. */
export function manifestSteps(
  before: Manifest | undefined,
  after: Manifest,
  sentAfter: (stream: StreamId, after: Lsn) => Iterable<Lsn>,
): ManifestStep[] {
  const steps: ManifestStep[] = [];
  const known = listed(before);
  const now = listed(after);
  const closedNow = new Map<StreamId, ClosedStream>();
  for (const s of after.streams)
    if (s.state === "closed" && (before === undefined || streamState(before, s.id)?.state !== "closed"))
      closedNow.set(s.id, s);
  for (const s of closedNow.values()) {
    steps.push({ kind: "closed", stream: s.id, final: s.final });
    steps.push(...closeRulings(after, s, sentAfter));
  }
  for (const [key, o] of now)
    if (!known.has(key) && !closedNow.has(o.stream))
      steps.push({ kind: "ruled", stream: o.stream, lsn: o.lsn, decision: o.decision, byClose: false });
  for (const [key, o] of known)
    if (!now.has(key) && !closedNow.has(o.stream))
      steps.push({ kind: "left", stream: o.stream, lsn: o.lsn, decision: o.decision, pgs: o.pgs });
  return steps;
}

/** What a close says of every entry, in LSN order. Of those before the first that it lists it says nothing: they were known as decided. */
function closeRulings(
  m: Manifest,
  s: ClosedStream,
  sentAfter: (stream: StreamId, after: Lsn) => Iterable<Lsn>,
): ManifestStep[] {
  const outcomes = m.outcomes.filter((o) => o.stream === s.id);
  const words = new Map(outcomes.map((o) => [o.lsn, o.decision]));
  const first = outcomes[0]?.lsn;
  const from = first === undefined ? s.final : s.exclusive ? ZERO_LSN : lsn(first - 1);
  const all = new Set(words.keys());
  for (const at of sentAfter(s.id, from)) all.add(at);
  const ruled = [...all].sort((a, b) => a - b);
  return ruled.map((at) => ({
    kind: "ruled",
    stream: s.id,
    lsn: at,
    decision: at > s.final ? "abort" : (words.get(at) ?? "commit"),
    byClose: true,
  }));
}

function listed(m: Manifest | undefined): Map<string, Outcome> {
  const out = new Map<string, Outcome>();
  for (const o of m?.outcomes ?? []) out.set(`${o.stream}:${o.lsn}`, o);
  return out;
}

/** What a revision of the manifest may not do whatever it changes; in words, or undefined. */
export function registerFault(before: Manifest, after: Manifest): string | undefined {
  if (after.nextStream < before.nextStream) return "stream ids go back";
  if (after.settledThrough < before.settledThrough) return "a settled stream is unsettled";
  // Revisions that nobody told may have moved the seats more than once.
  if (after.revision === before.revision + 1 && seatStep(before, after) === "forbidden")
    return "seats are given away, or taken, without both sets holding the manifest in between";
  for (const s of before.streams) {
    const now = streamState(after, s.id);
    if (now === undefined) {
      if (s.id > after.settledThrough) return `stream ${s.id} has gone`;
    } else if (s.state === "closed" && (now.state !== "closed" || now.final !== s.final))
      return `closed stream ${s.id} has changed`;
  }
  for (const o of before.outcomes) {
    const now = after.outcomes.find((x) => x.stream === o.stream && x.lsn === o.lsn);
    if (now !== undefined && now.decision !== o.decision) return `outcome ${o.stream}:${o.lsn} has turned`;
  }
  return undefined;
}

/** Two manifests of one revision must say the same. */
export function sameRevisionFault(a: Manifest, b: Manifest): string | undefined {
  const text = (m: Manifest): string =>
    JSON.stringify([
      m.mode,
      m.nextMode,
      m.epoch,
      m.nextStream,
      m.settledThrough,
      m.seats,
      m.nextSeats,
      m.nodes.map((n) => [n.name, n.role, n.az, n.url]),
      m.pgs,
      m.changes.map((c) => [c.pg, c.since, c.to]),
      m.streams.map((s) => [s.id, s.state, s.node, s.exclusive, s.state === "closed" ? s.final : 0]),
      m.outcomes.map((o) => [o.stream, o.lsn, o.decision]),
    ]);
  return text(a) === text(b) ? undefined : `revision ${a.revision} has two contents`;
}

/** An exclusive stream is alone. */
export function exclusivityFault(m: Manifest): string | undefined {
  const open = openStreams(m);
  const alone = open.find((s) => s.exclusive);
  return alone !== undefined && open.length > 1
    ? `stream ${alone.id} is exclusive, and ${open.length} are open`
    : undefined;
}

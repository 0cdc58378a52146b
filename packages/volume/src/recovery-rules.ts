/**
 * The judgement of a recovery: what became of each entry of a stream whose writer is fenced (DESIGN
 * section 7, step 2). Pure: manifest and fenced segments in, outcomes out.
 *
 * For each entry in LSN order the first rule that applies:
 *
 *     1  an outcome in the manifest                                    -> that
 *     2  a commit seen anywhere                                        -> commit
 *     3  an abort, or an entry that supersedes it, seen anywhere       -> abort
 *     4  it conflicts with an entry committed in the manifest, at a
 *        fenced segment, or earlier in this list                       -> abort
 *     5  one of its own bases is not committed                         -> abort
 *     6  in each of its PGs (and each set of six of its epoch) at most
 *        6 - q of the fenced segments did not accept it                -> commit, else abort
 *
 * "Seen": besides the decisions told slice by slice, a segment knows all decisions up to its
 * `decidedThrough`, and whatever a committed version was built on is committed too; an LSN at or below the highest such position is committed unless somebody
 * names it among the aborts.
 *
 * Entries that nobody has seen are aborted: with four of six fenced in each PG, none of them can
 * have had a quorum (I1, I2: 4 + 4 > 6).
 */
import {
  conflictsWithOutcome,
  lsn,
  mayHaveCommitted,
  NO_BUGS,
  sameVersion,
  setsOf,
  type Decision,
  type Lsn,
  type Manifest,
  type NodeName,
  type Outcome,
  type PageId,
  type PageUse,
  type PageVersion,
  type PgId,
  type PlantedBugs,
  type Slice,
  type StreamId,
} from "@sixfold/model";
import type { CommittedVersion, Fenced } from "@sixfold/wire";

/** Answers of the fenced segments, per PG; at least four of each. */
export type FencedSegments = ReadonlyMap<PgId, ReadonlyMap<NodeName, Fenced>>;

export interface Judgement {
  readonly final: Lsn;
  readonly tails: ReadonlyMap<PgId, Lsn>;
  /** By LSN. Empty if every fenced segment knew everything; else every abort between the first listed and `final` is listed. */
  readonly outcomes: readonly Outcome[];
}

interface Suspect {
  readonly lsn: Lsn;
  /** One slice per PG where the entry was seen. */
  readonly slices: Map<PgId, Slice>;
  /** Per PG, which fenced segments accept it now. */
  readonly accepts: Map<PgId, Set<NodeName>>;
  told: Decision | undefined;
  superseded: boolean;
}

export function judge(
  stream: StreamId,
  exclusive: boolean,
  manifest: Manifest,
  fenced: FencedSegments,
  planted: PlantedBugs = NO_BUGS,
): Judgement {
  const facts = gatherFacts(stream, fenced);
  const inManifest = new Map<Lsn, Outcome>();
  if (!planted.has("recovery-ignores-manifest"))
    for (const o of manifest.outcomes) if (o.stream === stream) inManifest.set(o.lsn, o);
  for (const o of inManifest.values())
    if (!facts.suspects.has(o.lsn)) facts.suspects.set(o.lsn, emptySuspect(o.lsn));

  const others = manifest.outcomes.filter((o) => o.stream !== stream);
  const committedHere: CommittedVersion[] = [];
  const decided = new Map<Lsn, Decision>();
  const suspects = [...facts.suspects.values()].sort((a, b) => a.lsn - b.lsn);
  const decisionOfBase = (base: Lsn): Decision =>
    decided.get(base) ?? (base <= facts.decidedThrough && !facts.aborts.has(base) ? "commit" : "abort");
  for (const s of suspects) {
    const seen: Decision | undefined =
      s.told ?? (s.lsn <= facts.decidedThrough && !facts.aborts.has(s.lsn) ? "commit" : undefined);
    let decision: Decision;
    if (inManifest.has(s.lsn)) decision = inManifest.get(s.lsn)!.decision;
    else if (seen === "commit" && !planted.has("recovery-ignores-commits")) decision = "commit";
    else if ((seen === "abort" || facts.aborts.has(s.lsn)) && !planted.has("recovery-ignores-aborts"))
      decision = "abort";
    else if (s.superseded && !planted.has("recovery-ignores-supersedes")) decision = "abort";
    else if (
      conflicts(stream, s, others, facts.committed, committedHere, planted) &&
      !planted.has("recovery-without-conflict-check")
    )
      decision = "abort";
    else if (
      ownBases(s).some((base) => decisionOfBase(base) === "abort") &&
      !planted.has("recovery-without-own-bases")
    )
      decision = "abort";
    else decision = acceptedByEnough(s, manifest, fenced, planted) ? "commit" : "abort";
    decided.set(s.lsn, decision);
    if (decision === "commit") noteCommitted(stream, s, committedHere);
  }
  const judgement = summarize(stream, exclusive, suspects, decided, facts, inManifest);
  const isShort = planted.has("final-one-short") && judgement.final > facts.decidedThrough;
  return isShort ? { ...judgement, final: lsn(judgement.final - 1) } : judgement;
}

interface Facts {
  readonly suspects: Map<Lsn, Suspect>;
  readonly aborts: Set<Lsn>;
  /** The highest `decidedThrough` of any fenced segment of any PG. */
  readonly decidedThrough: Lsn;
  readonly committed: Map<PageId, CommittedVersion[]>;
  /** Per PG, the highest tail told. */
  readonly tails: Map<PgId, Lsn>;
}

function gatherFacts(stream: StreamId, fenced: FencedSegments): Facts {
  const suspects = new Map<Lsn, Suspect>();
  const aborts = new Set<Lsn>();
  const committed = new Map<PageId, CommittedVersion[]>();
  const tails = new Map<PgId, Lsn>();
  let decidedThrough = lsn(0);
  for (const [pg, segments] of fenced) {
    for (const [name, answer] of segments) {
      if (answer.decidedThrough > decidedThrough) decidedThrough = answer.decidedThrough;
      if (answer.tail > (tails.get(pg) ?? 0)) tails.set(pg, answer.tail);
      for (const at of answer.aborts) aborts.add(at);
      for (const at of answer.earlyAborts) aborts.add(at);
      for (const v of answer.committed) {
        const list = committed.get(v.page);
        if (list === undefined) committed.set(v.page, [v]);
        else list.push(v);
      }
      for (const { slice, vote, decision } of answer.slices) {
        let s = suspects.get(slice.lsn);
        if (s === undefined) suspects.set(slice.lsn, (s = emptySuspect(slice.lsn)));
        s.slices.set(pg, slice);
        if (vote.kind === "accept") noteAccept(s, pg, name);
        // Commit and abort of one entry cannot both be known: a decision is one per entry, final.
        if (decision !== undefined) s.told = decision;
      }
    }
  }
  inferCommits(stream, suspects, committed);
  for (const s of suspects.values()) {
    for (const slice of s.slices.values()) {
      if (slice.supersedes === 0) continue;
      const older = suspects.get(slice.supersedes);
      if (older !== undefined) older.superseded = true;
    }
  }
  return { suspects, aborts, decidedThrough, committed, tails };
}

/** What a committed version was built on is committed (I3), and so are a committed entry's own bases (I5): their commits are seen through it. */
function inferCommits(
  stream: StreamId,
  suspects: ReadonlyMap<Lsn, Suspect>,
  committed: ReadonlyMap<PageId, readonly CommittedVersion[]>,
): void {
  const see = (v: PageVersion): void => {
    const s = v.stream === stream ? suspects.get(v.lsn) : undefined;
    if (s !== undefined) s.told = "commit";
  };
  for (const versions of committed.values())
    for (const v of versions) {
      see(v.version);
      see(v.base);
    }
  // Bases are older than what is built on them: from the newest down, one pass finds all.
  for (const s of [...suspects.values()].sort((a, b) => b.lsn - a.lsn)) {
    if (s.told !== "commit") continue;
    for (const base of ownBases(s)) see({ stream, lsn: base });
    for (const slice of s.slices.values())
      for (const use of [...slice.deltas, ...slice.checks]) see(use.base);
  }
}

function noteAccept(s: Suspect, pg: PgId, name: NodeName): void {
  const accepts = s.accepts.get(pg);
  if (accepts === undefined) s.accepts.set(pg, new Set([name]));
  else accepts.add(name);
}

function emptySuspect(at: Lsn): Suspect {
  return { lsn: at, slices: new Map(), accepts: new Map(), told: undefined, superseded: false };
}

function ownBases(s: Suspect): readonly Lsn[] {
  for (const slice of s.slices.values()) return slice.ownBases;
  return [];
}

/**
 * Rule 4: another version follows the base of one of its pages. A later one of its own stream does not speak against a check: the check was
 * decided before it.
 */
function conflicts(
  stream: StreamId,
  s: Suspect,
  outcomes: readonly Outcome[],
  committed: ReadonlyMap<PageId, readonly CommittedVersion[]>,
  committedHere: readonly CommittedVersion[],
  planted: PlantedBugs,
): boolean {
  const slices = [...s.slices.values()];
  const changes: readonly PageUse[] = slices.flatMap((slice) => slice.deltas);
  const checks: readonly PageUse[] = slices.flatMap((slice) => slice.checks);
  const uses = [...changes, ...checks];
  if (outcomes.some((o) => conflictsWithOutcome(uses, o))) return true;
  for (const use of uses)
    if (committedHere.some((v) => v.page === use.page && sameVersion(v.base, use.base))) return true;
  const isFollowed = (use: PageUse, isSpared: (at: Lsn) => boolean): boolean =>
    (committed.get(use.page) ?? []).some(
      ({ base, version: v }) => sameVersion(base, use.base) && !(v.stream === stream && isSpared(v.lsn)),
    );
  const sparesLater = !planted.has("own-change-overtakes-check");
  return (
    changes.some((use) => isFollowed(use, (at) => at === s.lsn)) ||
    checks.some((use) => isFollowed(use, (at) => (sparesLater ? at >= s.lsn : at === s.lsn)))
  );
}

/** Rule 6, in each set of six of the entry's epoch. An entry unseen in one of its PGs has no accepts there. */
function acceptedByEnough(
  s: Suspect,
  manifest: Manifest,
  fenced: FencedSegments,
  planted: PlantedBugs,
): boolean {
  let any: Slice | undefined;
  for (const slice of s.slices.values()) any = slice;
  if (any === undefined) return false;
  for (const pg of any.pgs) {
    const slice = s.slices.get(pg);
    if (slice === undefined) return false;
    for (const set of setsOf(manifest, pg, slice.epoch)) {
      const heard = set.filter((name) => fenced.get(pg)?.has(name) === true);
      const without = heard.filter((name) => s.accepts.get(pg)?.has(name) !== true).length;
      const bound = planted.has("recovery-bound-off-by-one") ? without + 1 : without;
      if (!mayHaveCommitted(slice.owned, bound)) return false;
    }
  }
  return true;
}

function noteCommitted(stream: StreamId, s: Suspect, into: CommittedVersion[]): void {
  for (const slice of s.slices.values())
    for (const d of slice.deltas) into.push({ page: d.page, base: d.base, version: { stream, lsn: s.lsn } });
}

function summarize(
  stream: StreamId,
  exclusive: boolean,
  suspects: readonly Suspect[],
  decided: ReadonlyMap<Lsn, Decision>,
  facts: Facts,
  inManifest: ReadonlyMap<Lsn, Outcome>,
): Judgement {
  let final = facts.decidedThrough;
  const tails = new Map(facts.tails);
  for (const s of suspects) {
    if (decided.get(s.lsn) !== "commit") continue;
    if (s.lsn > final) final = s.lsn;
    const pgs = inManifest.get(s.lsn)?.pgs ?? s.slices.keys();
    for (const pg of pgs) if (s.lsn > (tails.get(pg) ?? 0)) tails.set(pg, s.lsn);
  }
  const outcomes: Outcome[] = [];
  const first = suspects.find((s) => s.lsn <= final)?.lsn;
  if (first === undefined) return { final, tails, outcomes };
  const abort = (at: Lsn): Outcome => ({
    stream,
    lsn: at,
    decision: "abort",
    pgs: [],
    changes: [],
    checks: [],
  });
  const aborted = new Set<Lsn>();
  for (const s of suspects) if (s.lsn <= final && decided.get(s.lsn) === "abort") aborted.add(s.lsn);
  for (const at of facts.aborts)
    if (at > first && at <= final && decided.get(at) !== "commit") aborted.add(at);
  for (let at = lsn(facts.decidedThrough + 1); at <= final; at = lsn(at + 1))
    if (!decided.has(at)) aborted.add(at);
  for (const at of aborted) outcomes.push(abort(at));
  for (const s of suspects) {
    if (s.lsn > final || decided.get(s.lsn) !== "commit") continue;
    // An exclusive stream has no rivals to see conflicts with: one outcome, its last, marks that the list is whole.
    if (exclusive && s.lsn !== final) continue;
    outcomes.push(inManifest.get(s.lsn) ?? commitOutcome(stream, s, exclusive));
  }
  outcomes.sort((a, b) => a.lsn - b.lsn);
  return { final, tails, outcomes };
}

function commitOutcome(stream: StreamId, s: Suspect, exclusive: boolean): Outcome {
  const slices = [...s.slices.values()].sort((a, b) => a.pg - b.pg);
  const use = (p: PageUse): PageUse => ({ page: p.page, base: p.base });
  return {
    stream,
    lsn: s.lsn,
    decision: "commit",
    pgs: slices[0]?.pgs ?? [],
    changes: exclusive ? [] : slices.flatMap((x) => x.deltas.map(use)),
    checks: exclusive ? [] : slices.flatMap((x) => x.checks.map(use)),
  };
}

/**
 * What became of a transaction, from storage alone (DESIGN section 8): asks three of six segments of
 * every PG of its stream for entries with its id, after a read of the manifest.
 *
 *     a commit found, or an attempt that the manifest calls committed      -> committed; of a closed stream
 *                                                                             once four of six are complete (I1)
 *     the stream is closed, and no attempt found is or may be committed    -> aborted
 *     the stream is open, and no attempt is or was there                   -> absent (it may still come)
 *     else                                                                 -> unknown (yet)
 *
 * Three of six: an entry committed by votes is on four, and 3 + 4 > 6. Of a closed stream only segments that are complete count. For
 * "was never there" only those count that remember all of where it could have been: what came after the LSN that the id names. One such segment is enough for a closed stream, for a complete one has had all that was committed.
 */
import {
  MANIFEST_CHECK_QUORUM,
  OWNED_QUORUM,
  REPLICAS,
  afterOfTransaction,
  assert,
  streamOfTransaction,
  streamState,
  pgId,
  ZERO_LSN,
  type Lsn,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import type { TransactionFound } from "@sixfold/wire";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import type { VolumeSettings } from "./settings.ts";
import type { FoundOutcome } from "./volume-api.ts";

/** Segments per PG that must be heard. */
const HEARD = MANIFEST_CHECK_QUORUM;
assert(HEARD + OWNED_QUORUM > REPLICAS, "whoever is heard meets every write quorum");

interface Search {
  readonly transaction: TransactionId;
  readonly stream: StreamId;
  readonly manifest: Manifest;
  readonly since: number;
  /** Per PG, by segment. */
  readonly answers: Map<NodeName, TransactionFound>[];
  /** The questions put so far; each has one answer. */
  readonly requests: number[];
  askedAt: number;
  /** A segment has heard of the stream's close, of which the manifest that this began with knows nothing. */
  isOutdated: boolean;
}

export class OutcomeFinder {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  private readonly planted: PlantedBugs;
  private readonly searches = new Set<Search>();
  private readonly byRequest = new Map<number, Search>();

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.planted = o.planted;
  }

  find(transaction: TransactionId, now: number): void {
    const stream = streamOfTransaction(transaction);
    if (stream === undefined) return this.answer(transaction, "unknown");
    this.register.read(({ manifest }, at) => {
      if (manifest === undefined || manifest.nextStream <= stream) return this.answer(transaction, "unknown");
      const search: Search = {
        transaction,
        stream,
        manifest,
        since: at,
        answers: manifest.pgs.map(() => new Map()),
        requests: [],
        askedAt: at,
        isOutdated: false,
      };
      this.searches.add(search);
      this.ask(search);
      this.judge(search);
    }, now);
  }

  onFound(from: NodeName, m: TransactionFound): void {
    const search = this.byRequest.get(m.request);
    if (search?.manifest.pgs[m.pg]?.includes(from) !== true) return;
    search.answers[m.pg]!.set(from, m);
    search.isOutdated ||= m.isClosed && isOpen(search);
    if (!search.isOutdated) this.judge(search);
  }

  tick(now: number): void {
    for (const search of this.searches) {
      if (now - search.since >= this.settings.outcomeTimeoutMs) this.finish(search, "unknown");
      else if (search.isOutdated) {
        this.drop(search);
        this.find(search.transaction, now);
      } else if (now - search.askedAt >= this.settings.askAgainMs) {
        search.askedAt = now;
        this.ask(search);
      }
    }
  }

  private ask(search: Search): void {
    const { transaction, stream, manifest, answers, requests } = search;
    for (let pg = 0; pg < answers.length; pg++)
      for (const member of manifest.pgs[pg]!) {
        const before = answers[pg]!.get(member);
        if (before !== undefined && before.scl >= tailOf(manifest, stream, pg)) continue;
        const request = this.out.nextRequest();
        if (!this.out.send(member, { type: "findTransaction", request, pg: pgId(pg), stream, transaction }))
          continue;
        requests.push(request);
        this.byRequest.set(request, search);
      }
  }

  private judge(search: Search): void {
    const answers = search.answers.map((a) => [...a.values()]);
    const outcome = judgeOutcome(search, answers, this.planted);
    if (outcome !== undefined) this.finish(search, outcome);
  }

  private finish(search: Search, outcome: FoundOutcome): void {
    this.drop(search);
    this.answer(search.transaction, outcome);
  }

  private drop(search: Search): void {
    for (const request of search.requests) this.byRequest.delete(request);
    this.searches.delete(search);
  }

  private answer(transaction: TransactionId, outcome: FoundOutcome): void {
    this.out.effects.push({ kind: "outcome", transaction, outcome });
  }
}

/** The verdict on what was heard so far; undefined while more must be heard. */
function judgeOutcome(
  { transaction, stream, manifest }: Search,
  answers: readonly (readonly TransactionFound[])[],
  planted: PlantedBugs,
): FoundOutcome | undefined {
  const attempts = new Map<Lsn, "commit" | "abort" | undefined>();
  for (const perPg of answers)
    for (const { attempts: found } of perPg)
      for (const a of found) attempts.set(a.lsn, attempts.get(a.lsn) ?? a.decision);
  for (const o of manifest.outcomes)
    if (o.stream === stream && attempts.has(o.lsn)) attempts.set(o.lsn, o.decision);
  const state = streamState(manifest, stream);
  const closed = state?.state === "closed" ? state : undefined;
  // What a recovery committed may be on two segments only until gossip has spread it: those who lack it say nothing,
  // and nobody is told before four of six have it (I1).
  const isComplete = (a: TransactionFound): boolean => a.scl >= tailOf(manifest, stream, a.pg);
  const complete = (count: number): boolean =>
    answers.every((perPg) => perPg.filter(isComplete).length >= count);
  if ([...attempts.values()].includes("commit"))
    return closed === undefined || complete(OWNED_QUORUM) || planted.has("recovered-commit-told-early")
      ? "committed"
      : undefined;
  if (!complete(HEARD)) return undefined;
  const settled = stream <= manifest.settledThrough;
  const after = afterOfTransaction(transaction);
  const forgets = (a: TransactionFound): boolean => a.forgottenThrough > after;
  const needed = closed === undefined && !settled ? HEARD : 1;
  const remembered = answers.every(
    (perPg) => perPg.filter((a) => isComplete(a) && !forgets(a)).length >= needed,
  );
  // Those that have not answered may remember more.
  const hopeless = answers.some((perPg) => perPg.filter(forgets).length > REPLICAS - needed);
  if (!remembered && !hopeless) return undefined;
  // Its writer lives, or its recovery has yet to speak.
  if (closed === undefined && !settled && planted.has("outcome-guesses-aborted")) return "aborted";
  if (closed === undefined && !settled) return attempts.size === 0 && remembered ? "absent" : "unknown";
  for (const [at, decision] of attempts) {
    if (decision === "abort" || (closed !== undefined && at > closed.final)) continue;
    return "unknown";
  }
  return remembered ? "aborted" : "unknown";
}

/** Does the search's manifest have the stream as one that is neither closed nor settled? */
const isOpen = ({ stream, manifest }: Search): boolean =>
  stream > manifest.settledThrough && streamState(manifest, stream)?.state !== "closed";

/** What a segment must have of a closed stream to be complete; 0 while it is open. */
function tailOf(manifest: Manifest, stream: StreamId, pg: number): Lsn {
  const state = streamState(manifest, stream);
  return (state?.state === "closed" ? state.tails.get(pgId(pg)) : undefined) ?? ZERO_LSN;
}

/**
 * Commits that votes alone cannot make (DESIGN section 6, "Commit through the manifest").
 *
 * Four segments accept in every PG, but a page that passes between masters needs five, and the
 * others are silent. Then the manifest decides:
 *
 *     read the manifest ──> ask the segments again ──> still four everywhere? ──> compare-and-set what
 *     (conflicts: abort)    (older votes do not count: a rival's outcome               was read, plus the
 *                           may have left the manifest since)                          outcomes
 *
 * Refused if anything in the manifest changed, in particular if the stream was closed. One such
 * write at a time, with all entries that need it, in LSN order. While it is under way nothing
 * else decides them: a yield now and a commit there would contradict each other (I2).
 *
 * Outcomes leave the manifest once durable on four of six segments of every PG concerned.
 */
import {
  conflictsWithOutcome,
  OWNED_QUORUM,
  streamState,
  type Lsn,
  type Manifest,
  type NodeName,
  type Outcome,
  type PgId,
  type PlantedBugs,
} from "@sixfold/model";
import type { Votes } from "@sixfold/wire";
import type { InFlightEntry, SentSlice } from "./in-flight.ts";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import type { PgProgress } from "./pg-progress.ts";
import type { VolumeSettings } from "./settings.ts";
import type { StreamWriter } from "./stream-writer.ts";
import { hasQuorum, needsManifest } from "./tally.ts";

/** Entries in one write: keeps the manifest small. */
const RUN_MAX = 256;

interface Asking {
  readonly manifest: Manifest;
  readonly run: readonly InFlightEntry[];
  /** Accepts heard since the manifest was read. */
  readonly fresh: Map<SentSlice, number>;
  readonly since: number;
  readonly firstRequest: number;
}

export class ManifestCommit {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  private readonly writer: StreamWriter;
  private readonly planted: PlantedBugs;
  private state: "idle" | "reading" | "asking" | "writing" | "dropping" = "idle";
  private asking: Asking | undefined;
  /** Outcomes that this writer has put into the manifest. */
  private standing: { readonly lsn: Lsn; readonly pgs: readonly PgProgress[] }[] = [];
  private writtenAt = 0;
  commits = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly writer: StreamWriter;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.writer = o.writer;
    this.planted = o.planted;
  }

  /** Nothing of this writer stands in the manifest or is on its way there. */
  get isIdle(): boolean {
    return this.state === "idle" && this.standing.length === 0;
  }

  /** `isClosing`: what this writer has put into the manifest is to leave it soon. */
  tick(now: number, isClosing: boolean): void {
    if (this.state === "asking" && now - this.asking!.since >= this.settings.askAgainMs) this.write(now);
    this.begin(now);
    // Each commit takes along what may leave: only the last ones are left over, and a round for them would be in the way of others'.
    const isDue = isClosing || now - this.writtenAt >= this.settings.askAgainMs;
    if (this.state === "idle" && isDue && this.standing.some((s) => isKnown(s))) this.drop(now);
  }

  /** If the first undecided entry needs it. O(1) if it does not. */
  private begin(now: number): void {
    if (this.writer.exclusive || this.state !== "idle" || this.findRun(now).length === 0) return;
    this.state = "reading";
    this.register.read(({ manifest }, at) => this.ask(manifest, at), now);
  }

  /** The writer has counted these votes already; here they confirm those of before. */
  onVotes(from: NodeName, m: Votes, now: number): void {
    const pg = this.writer.pgs.get(m.pg);
    const member = pg?.members.indexOf(from) ?? -1;
    const asking = this.asking;
    if (pg === undefined || member < 0 || asking === undefined || m.request < asking.firstRequest) return;
    for (const { lsn, vote } of m.votes) {
      const sent = pg.kept.find(lsn);
      if (sent === undefined || !asking.fresh.has(sent)) continue;
      if (vote.kind === "accept") asking.fresh.set(sent, asking.fresh.get(sent)! | (1 << member));
    }
    if (this.state === "asking" && asking.run.every((e) => this.isConfirmed(e, asking))) this.write(now);
  }

  /** From the first undecided entry on, those that only the manifest can commit; ends at the first that may still be decided otherwise. */
  private findRun(now: number): InFlightEntry[] {
    const { inFlight } = this.writer.decider;
    const run: InFlightEntry[] = [];
    for (let at = inFlight.first; at < inFlight.next && run.length < RUN_MAX; at = (at + 1) as Lsn) {
      const e = inFlight.get(at)!;
      if (e.state === "aborted" || e.state === "committed" || e.state === "manifest") continue;
      if (e.state !== "sent") break;
      if (hasQuorum(e)) continue;
      const { writer } = this;
      const silent = (pg: PgProgress): number => writer.silentMask(pg, e, now);
      if (!needsManifest(e, silent, (pg) => writer.absentMask(pg, now))) break;
      run.push(e);
    }
    return run;
  }

  private ask(manifest: Manifest | undefined, now: number): void {
    this.state = "idle";
    const own = manifest === undefined ? undefined : streamState(manifest, this.writer.stream);
    if (manifest === undefined || own?.state !== "open") return;
    if (!this.planted.has("manifest-commit-without-conflict-check"))
      for (const e of this.findRun(now)) this.abortIfBeaten(e, manifest, now);
    this.writer.advance(now);
    const run = this.findRun(now);
    if (run.length === 0) return;
    const fresh = new Map<SentSlice, number>();
    const lsns = new Map<PgProgress, Lsn[]>();
    for (const e of run)
      for (const sent of e.slices) {
        fresh.set(sent, this.planted.has("manifest-commit-on-old-votes") ? sent.accepts : 0);
        const list = lsns.get(sent.pg);
        if (list === undefined) lsns.set(sent.pg, [sent.lsn]);
        else list.push(sent.lsn);
      }
    this.asking = { manifest, run, fresh, since: now, firstRequest: this.out.nextRequest() };
    this.state = "asking";
    for (const [pg, list] of lsns)
      for (const member of pg.members)
        this.out.send(member, {
          type: "askVotes",
          request: this.out.nextRequest(),
          pg: pg.pg,
          stream: this.writer.stream,
          lsns: list,
        });
  }

  private abortIfBeaten(e: InFlightEntry, manifest: Manifest, now: number): void {
    const uses = [...e.entry.deltas, ...e.entry.checks];
    for (const o of manifest.outcomes) {
      if (o.stream === this.writer.stream || !conflictsWithOutcome(uses, o)) continue;
      const winner = { stream: o.stream, lsn: o.lsn };
      this.writer.decider.abort(e, { winner, phase: "storage-vote", by: "rival" }, now);
      return;
    }
  }

  private isConfirmed(e: InFlightEntry, asking: Asking): boolean {
    return e.state === "sent" && e.slices.every((s) => s.pg.count(asking.fresh.get(s) ?? 0) >= OWNED_QUORUM);
  }

  private write(now: number): void {
    const asking = this.asking!;
    this.asking = undefined;
    this.state = "idle";
    // In LSN order: an entry that could not be confirmed holds up those after it.
    const confirmed: InFlightEntry[] = [];
    for (const e of asking.run) {
      if (e.state === "aborted" || e.state === "committed") continue;
      if (!this.isConfirmed(e, asking)) break;
      confirmed.push(e);
    }
    if (confirmed.length === 0) return;
    this.state = "writing";
    for (const e of confirmed) e.state = "writing";
    const outcomes = confirmed.map((e) => this.outcomeOf(e));
    const dropped = this.knownStanding();
    const { stream } = this.writer;
    this.register.change(
      (m) => {
        if (m === undefined) return undefined;
        const changed = m.revision !== asking.manifest.revision;
        const closed = streamState(m, stream)?.state !== "open";
        // The second check is the first one's special case, and each is planted by itself.
        if (changed && !closed && !this.planted.has("manifest-commit-without-compare-and-set"))
          return undefined;
        if (closed && !this.planted.has("manifest-commit-closed-unchecked")) return undefined;
        const kept = m.outcomes.filter((o) => o.stream !== stream || !dropped.has(o.lsn));
        return { ...m, outcomes: sortOutcomes([...kept, ...outcomes]) };
      },
      ({ manifest }, at) => this.written(confirmed, manifest, at),
      now,
    );
  }

  /** Judged by what stands in the manifest: an earlier round of the write may have been chosen although a later one was refused. */
  private written(confirmed: readonly InFlightEntry[], manifest: Manifest | undefined, now: number): void {
    this.state = "idle";
    this.writtenAt = now;
    const { stream, decider } = this.writer;
    // Its recovery has decided; this writer has nothing more to say.
    if (manifest === undefined || streamState(manifest, stream)?.state !== "open") return;
    const standing = new Set<Lsn>();
    for (const o of manifest.outcomes)
      if (o.stream === stream && o.decision === "commit") standing.add(o.lsn);
    this.standing = this.standing.filter((s) => standing.has(s.lsn));
    for (const e of confirmed) {
      if (e.state !== "writing") continue;
      if (standing.has(e.lsn)) {
        e.state = "manifest";
        this.commits++;
        this.standing.push({ lsn: e.lsn, pgs: e.pgs });
        continue;
      }
      e.state = "sent";
      if (e.deferred !== undefined) decider.abort(e, e.deferred, now);
    }
    this.writer.advance(now);
    // What gathered meanwhile goes at once; the first waits for a tick, so that others may join it.
    this.begin(now);
  }

  private drop(now: number): void {
    const known = this.knownStanding();
    const { stream } = this.writer;
    this.state = "dropping";
    this.register.change(
      (m) => {
        if (m === undefined || streamState(m, stream)?.state !== "open") return undefined;
        const kept = m.outcomes.filter((o) => o.stream !== stream || !known.has(o.lsn));
        return kept.length === m.outcomes.length ? undefined : { ...m, outcomes: kept };
      },
      () => {
        this.standing = this.standing.filter((s) => !known.has(s.lsn));
        this.state = "idle";
      },
      now,
    );
  }

  private knownStanding(): Set<Lsn> {
    return new Set(this.standing.filter((s) => isKnown(s)).map((s) => s.lsn));
  }

  private outcomeOf(e: InFlightEntry): Outcome {
    const { entry } = e;
    return {
      stream: entry.stream,
      lsn: entry.lsn,
      decision: "commit",
      pgs: e.pgs.map((pg): PgId => pg.pg),
      changes: entry.deltas.map((d) => ({ page: d.page, base: d.base })),
      checks: entry.checks.map((c) => ({ page: c.page, base: c.base })),
    };
  }
}

/** The commit is durable on four of six segments of each of its PGs, with the slice: without its pages and bases no conflict is seen (I3). */
function isKnown(s: { readonly lsn: Lsn; readonly pgs: readonly PgProgress[] }): boolean {
  return s.pgs.every((pg) => pg.holdersOf(s.lsn) >= OWNED_QUORUM);
}

export function sortOutcomes(outcomes: Outcome[]): Outcome[] {
  return outcomes.sort((a, b) => (a.stream !== b.stream ? a.stream - b.stream : a.lsn - b.lsn));
}

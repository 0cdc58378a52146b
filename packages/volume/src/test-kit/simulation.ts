/**
 * Random life of a small volume: writers on a few hot pages, links that break, segments that are
 * away, writers that die or are suspected wrongly. In the end everything heals and closes, and the
 * segments' facts are compared with what writers and clients have heard.
 *
 * A writer here is a crude engine: per page it knows the newest version, own undecided ones on
 * top of committed ones; what others commit reaches it late, in one order for all.
 */
import {
  NONE,
  nodeName,
  pageId,
  sameVersion,
  type Entry,
  type Lsn,
  type PageId,
  type PageVersion,
  type Random,
  type StreamId,
  type PlantedBug,
} from "@sixfold/model";
import type { SegmentBreaks } from "./fake-segment.ts";
import { delta, entry, GEOMETRY, SERVERS, TestCluster, type TestNode } from "./test-cluster.ts";

export interface SimulationOptions {
  /** Of the writers; 0 unless said otherwise. */
  readonly decisionDelayMs?: number;
  readonly seed: number;
  readonly steps: number;
  readonly planted?: readonly PlantedBug[];
  readonly segmentBreaks?: SegmentBreaks;
}

interface Attempt {
  readonly entry: Entry;
  readonly pages: readonly PageId[];
  state: "undecided" | "commit" | "abort";
  told: boolean;
}

const PAGES: readonly number[] = [3, 4, 70, 71];
const key = (v: { readonly stream: number; readonly lsn: number }): string => `${v.stream}:${v.lsn}`;

class SimWriter {
  readonly name: string;
  readonly node: TestNode;
  /** Attempts of the present stream, by LSN. */
  attempts = new Map<Lsn, Attempt>();
  committed = new Map<PageId, PageVersion>();
  applied = 0;
  next = 1;
  seenEvents = 0;
  opening = true;

  constructor(name: string, node: TestNode) {
    this.name = name;
    this.node = node;
  }

  head(page: PageId): PageVersion {
    let best = this.committed.get(page) ?? NONE;
    for (const a of this.attempts.values())
      if (a.state === "undecided" && a.pages.includes(page))
        best = { stream: a.entry.stream, lsn: a.entry.lsn };
    return best;
  }
}

export class Simulation {
  readonly cluster: TestCluster;
  private readonly random: Random;
  private readonly o: SimulationOptions;
  private readonly writers = new Map<string, SimWriter>();
  /** Everything ever submitted, and what was heard of it. */
  readonly all = new Map<string, Attempt>();
  /** Commits in the order in which nodes may apply them. */
  private readonly log: { readonly version: PageVersion; readonly pages: readonly PageId[] }[] = [];
  private readonly logged = new Set<string>();
  private names = 0;
  readonly away = new Set<string>();
  committedCount = 0;

  constructor(o: SimulationOptions) {
    this.o = o;
    this.cluster = new TestCluster(o.seed, o.segmentBreaks);
    this.random = this.cluster.random.fork("simulation");
  }

  /** Runs everything and returns what is wrong, or undefined. */
  run(): string | undefined {
    for (let i = 0; i < 2 + this.random.int(2); i++) this.addWriter();
    this.cluster.run(3);
    if (this.random.chance(0.5))
      for (const s of this.random.shuffle([...SERVERS]).slice(0, 2)) this.sendAway(s.name);
    for (let i = 0; i < this.o.steps; i++) this.step();
    return this.finish() ?? this.verify();
  }

  private addWriter(): void {
    const name = `w${++this.names}`;
    const node = this.cluster.addNode(name, {
      settings: { fencedPatienceMs: 300, decisionDelayMs: this.o.decisionDelayMs ?? 0 },
      ...(this.o.planted ? { planted: this.o.planted } : {}),
    });
    for (const s of this.away) this.cluster.disconnect(name, nodeName(s));
    const w = new SimWriter(name, node);
    this.writers.set(name, w);
    node.volume.create({ mode: "multi", geometry: GEOMETRY }, this.cluster.now);
    node.volume.openStream(this.cluster.now);
    this.cluster.drain(name);
  }

  private step(): void {
    const r = this.random.next();
    const names = [...this.writers.keys()];
    const w = this.writers.get(this.random.pick(names))!;
    if (r < 0.12) this.submit(w, 0);
    else if (r < 0.2) this.apply(w);
    else if (r < 0.25) this.cluster.tick(1 + this.random.int(30));
    else if (r < 0.256) this.toggleLink(w);
    else if (r < 0.2585) this.killAndReplace(w);
    else if (r < 0.26) this.suspect(w);
    else if (r < 0.27) this.cluster.gossipOnce();
    else for (let n = 0; n < 4; n++) this.cluster.step();
    this.hear();
  }

  private submit(w: SimWriter, supersedes: number, pages?: readonly PageId[]): void {
    const stream = w.node.volume.stream;
    if (stream === undefined || w.opening) return;
    const chosen =
      pages ??
      this.random
        .shuffle([...PAGES])
        .slice(0, 1 + this.random.int(2))
        .map(pageId);
    const sorted = [...chosen].sort((a, b) => a - b);
    const deltas = sorted.map((p) => delta(p, w.head(p)));
    const free = PAGES.map(pageId).filter((p) => !sorted.includes(p));
    const checks = this.random.chance(0.25)
      ? [this.random.pick(free)].map((page) => ({ page, base: w.head(page) }))
      : [];
    const at = w.next++;
    const isOwn = (v: PageVersion): boolean =>
      v.stream === stream && w.attempts.get(v.lsn)?.state === "undecided";
    const ownBases = [
      ...new Set(
        [...deltas, ...checks]
          .map((d) => d.base)
          .filter(isOwn)
          .map((v) => v.lsn),
      ),
    ].sort((a, b) => a - b);
    const e = entry(stream, at, deltas, { checks, ownBases, supersedes });
    const attempt: Attempt = { entry: e, pages: sorted, state: "undecided", told: false };
    w.attempts.set(e.lsn, attempt);
    this.all.set(key(e), attempt);
    w.node.volume.submit(e, this.cluster.now);
    if (this.random.chance(0.7)) this.cluster.flush(w.name);
  }

  /** Applies some of what others have committed; own undecided entries on those pages have lost. */
  private apply(w: SimWriter): void {
    for (let n = 1 + this.random.int(3); n > 0 && w.applied < this.log.length; n--) {
      const { version, pages } = this.log[w.applied]!;
      if (version.stream === w.node.volume.stream && w.attempts.get(version.lsn)?.state !== "commit") {
        // A recovery has committed an own entry: what others build on it may be shown only after the manifest has told so (I5).
        w.node.volume.refresh(this.cluster.now);
        this.cluster.drain(w.name);
        return;
      }
      w.applied++;
      if (version.stream === w.node.volume.stream) continue;
      for (const a of w.attempts.values()) {
        if (
          a.state !== "undecided" ||
          !a.pages.some((p) => pages.includes(p)) ||
          w.node.volume.stream === undefined
        )
          continue;
        w.node.volume.giveUp(a.entry.lsn, version, this.cluster.now);
      }
      for (const p of pages) w.committed.set(p, version);
      w.node.volume.foreignSeen(version.stream, version.lsn);
      this.cluster.flush(w.name);
      this.hear();
    }
  }

  private toggleLink(w: SimWriter): void {
    const s = this.random.pick(SERVERS).name;
    if (this.away.has(s)) return;
    if (this.cluster.cut.has(`${w.name}|${s}`)) this.cluster.reconnect(w.name, s);
    else this.cluster.disconnect(w.name, s);
  }

  private sendAway(server: string): void {
    this.away.add(server);
    for (const name of this.writers.keys()) this.cluster.disconnect(name, nodeName(server));
  }

  private killAndReplace(w: SimWriter): void {
    this.cluster.kill(w.name);
    this.writers.delete(w.name);
    const stream = w.node.volume.stream;
    if (this.writers.size < 2) this.addWriter();
    if (stream === undefined) return;
    for (const name of this.random.shuffle([...this.writers.keys()]).slice(0, 2)) this.recover(name, stream);
  }

  private suspect(w: SimWriter): void {
    const others = [...this.writers.keys()].filter((n) => n !== w.name);
    if (w.node.volume.stream !== undefined && others.length > 0)
      this.recover(this.random.pick(others), w.node.volume.stream);
  }

  private recover(by: string, stream: StreamId): void {
    this.writers.get(by)!.node.volume.recover(stream, this.cluster.now);
    this.cluster.drain(by);
  }

  /** Takes in what the volumes have said. */
  private hear(): void {
    for (const w of [...this.writers.values()]) {
      const { events } = w.node;
      while (w.seenEvents < events.length) this.hearOne(w, events[w.seenEvents++]!);
    }
  }

  private hearOne(w: SimWriter, e: TestNode["events"][number]): void {
    if (e.kind === "opened") {
      w.opening = false;
      w.attempts = new Map();
      w.next = 1;
    } else if (e.kind === "decided") {
      const a = w.attempts.get(e.lsn)!;
      a.state = e.decision;
      if (e.decision === "commit") this.logCommit(a, w);
      else if (this.random.chance(0.6) && w.node.volume.stream === a.entry.stream)
        this.submit(w, a.entry.lsn, a.pages);
    } else if (e.kind === "told") w.attempts.get(e.lsn)!.told = true;
    else if (e.kind === "fenced") {
      w.opening = true;
      w.node.volume.openStream(this.cluster.now);
      this.cluster.drain(w.name);
    } else if (e.kind === "closed") this.logClosed(e.stream);
  }

  private logCommit(a: Attempt, by?: SimWriter): void {
    const version = { stream: a.entry.stream, lsn: a.entry.lsn };
    if (by !== undefined) for (const p of a.pages) by.committed.set(p, version);
    if (this.logged.has(key(version))) return;
    this.logged.add(key(version));
    this.committedCount++;
    this.log.push({ version, pages: a.pages });
  }

  /** A stream was closed: what its recovery committed is applied by everybody, in LSN order. */
  private logClosed(stream: StreamId): void {
    const value = [...this.cluster.segments.values()]
      .map((s) => s.seat.accepted?.value)
      .sort((a, b) => (b?.revision ?? 0) - (a?.revision ?? 0))[0];
    for (const o of value?.outcomes ?? [])
      if (o.stream === stream && o.decision === "commit") this.logCommit(this.all.get(key(o))!);
  }

  /** Heals everything, lets everything be decided, closes all streams. */
  private finish(): string | undefined {
    const { cluster } = this;
    this.away.clear();
    for (const name of this.writers.keys()) for (const s of SERVERS) cluster.reconnect(name, s.name);
    const settle = (rounds: number): void => {
      for (let i = 0; i < rounds; i++) {
        cluster.run(1, 50);
        if (i % 10 === 9) cluster.gossip();
        this.hear();
      }
    };
    settle(80);
    const first = [...this.writers.values()][0]!;
    const open = first.node.volume.manifest!.streams.filter((s) => s.state === "open");
    for (const s of open) if (![...this.writers.keys()].includes(s.node)) this.recover(first.name, s.id);
    settle(20);
    for (const w of this.writers.values()) {
      const stuck = [...w.attempts.values()].find(
        (a) => a.state === "undecided" && a.entry.stream === w.node.volume.stream,
      );
      if (stuck !== undefined) return `liveness: ${key(stuck.entry)} is never decided`;
      w.node.volume.closeOwn(cluster.now);
      cluster.flush(w.name);
    }
    settle(10);
    settle(60);
    for (const w of this.writers.values())
      if (w.node.volume.stream !== undefined)
        return `liveness: stream ${w.node.volume.stream} of ${w.name} does not close`;
    return undefined;
  }

  private truth(a: Attempt): "commit" | "abort" | "mixed" {
    let commits = 0;
    let aborts = 0;
    for (const segment of this.cluster.segments.values())
      for (const pg of segment.pgs.values()) {
        const t = pg.streams.get(a.entry.stream)?.slices.get(a.entry.lsn);
        if (t?.decision === "commit") commits++;
        else if (t?.decision === "abort") aborts++;
      }
    return commits > 0 && aborts > 0 ? "mixed" : commits > 0 ? "commit" : "abort";
  }

  private verify(): string | undefined {
    const committed: Attempt[] = [];
    const done = new Set<string>();
    for (const a of this.all.values()) {
      const truth = this.truth(a);
      const id = key(a.entry);
      if (truth === "mixed") return `I4: ${id} is committed at some segments and aborted at others`;
      if (a.state === "commit" && truth !== "commit") return `I2: ${id} was acknowledged, and is lost`;
      if (a.told && truth === "commit") return `I2: the abort of ${id} was told, and it is committed`;
      if (truth === "commit") {
        committed.push(a);
        done.add(id);
      }
    }
    for (const a of committed) {
      const { stream, supersedes, ownBases, deltas, checks } = a.entry;
      if (supersedes !== 0 && done.has(key({ stream, lsn: supersedes })))
        return `I2: ${key(a.entry)} and the attempt it supersedes are both committed`;
      for (const b of ownBases)
        if (!done.has(key({ stream, lsn: b })))
          return `I5: ${key(a.entry)} is committed without its base ${b}`;
      for (const u of [...deltas, ...checks])
        if (u.base.stream !== 0 && !done.has(key(u.base)))
          return `I3: ${key(a.entry)} builds on ${key(u.base)}, which is not committed`;
    }
    for (const a of committed)
      for (const b of committed) {
        if (a === b) continue;
        const overwrites = (uses: Entry["checks"]): boolean =>
          uses.some((u) => b.entry.deltas.some((d) => d.page === u.page && sameVersion(d.base, u.base)));
        if (overwrites(a.entry.deltas))
          return `I3: ${key(a.entry)} and ${key(b.entry)} are committed on one base`;
        const back = b.entry.checks.some((u) =>
          a.entry.deltas.some((d) => d.page === u.page && sameVersion(d.base, u.base)),
        );
        if (overwrites(a.entry.checks) && back)
          return `write skew between ${key(a.entry)} and ${key(b.entry)}`;
      }
    return undefined;
  }
}

/** The first seed of `seeds` with a violation, and which. */
export function firstViolation(
  o: Omit<SimulationOptions, "seed">,
  seeds: number,
  from = 1,
): { readonly seed: number; readonly what: string } | undefined {
  for (let seed = from; seed < from + seeds; seed++) {
    const what = new Simulation({ ...o, seed }).run();
    if (what !== undefined) return { seed, what };
  }
  return undefined;
}

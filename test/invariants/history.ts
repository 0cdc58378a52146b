/**
 * What storage has written, read from the logs' bytes: the checkers' only source. It shares no rule with the machines.
 */
import {
  lsn as toLsn,
  showVersion,
  type Decision,
  type Decisions,
  type Lsn,
  type PageVersion,
  type PgId,
  type Slice,
  type StreamId,
} from "@sixfold/model";
import type { LogRecord } from "@sixfold/wire";
import type { World } from "../scenario/world.ts";

/** One entry as the six logs know it. */
export interface LoggedEntry {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** By PG. */
  readonly slices: Map<PgId, Slice>;
  /** By PG, the segment servers that have taken its slice. */
  readonly takenBy: Map<PgId, Set<string>>;
  /** The last word of each log that has one. */
  readonly decisions: Map<string, Decision>;
}

export class History {
  readonly entries = new Map<string, LoggedEntry>();
  /** What each log holds of decisions, as they stand; applied to entries when all logs were read. */
  private readonly said: {
    readonly by: string;
    readonly stream: StreamId;
    readonly decisions: Decisions;
  }[] = [];

  constructor(world: World) {
    for (const segment of world.segments.values())
      this.readLog(segment.name, segment.disk.read().blocks.flat());
    for (const { by, stream, decisions } of this.said) this.decide(by, stream, decisions);
  }

  private readLog(name: string, records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.kind === "slices") for (const slice of record.slices) this.take(name, slice);
      else if (record.kind === "decisions" || record.kind === "close")
        this.said.push({ by: name, stream: record.stream, decisions: record.decisions });
      else if (record.kind === "outcomes")
        for (const { stream, lsn, decision } of record.outcomes) {
          const aborts = decision === "abort" ? [lsn] : [];
          const decisions = { from: toLsn(lsn - 1), through: lsn, aborts, earlyAborts: [] };
          this.said.push({ by: name, stream, decisions });
        }
    }
  }

  private take(name: string, slice: Slice): void {
    const entry = this.entry(slice.stream, slice.lsn);
    entry.slices.set(slice.pg, slice);
    const takers = entry.takenBy.get(slice.pg) ?? new Set();
    entry.takenBy.set(slice.pg, takers.add(name));
  }

  /** A log's last word counts: the abort of a writer that had lost its stream is overruled by the close. */
  private decide(by: string, stream: StreamId, { from, through, aborts, earlyAborts }: Decisions): void {
    for (const entry of this.entries.values()) {
      if (entry.stream !== stream) continue;
      if (entry.lsn > from && entry.lsn <= through)
        entry.decisions.set(by, aborts.includes(entry.lsn) ? "abort" : "commit");
      if (earlyAborts.includes(entry.lsn)) entry.decisions.set(by, "abort");
    }
  }

  private entry(stream: StreamId, lsn: Lsn): LoggedEntry {
    const key = `${stream}:${lsn}`;
    let entry = this.entries.get(key);
    if (entry === undefined)
      this.entries.set(
        key,
        (entry = { stream, lsn, slices: new Map(), takenBy: new Map(), decisions: new Map() }),
      );
    return entry;
  }
}

/** What the logs and the monitor find wrong. */
export function wrongWith(world: World): string[] {
  const history = new History(world);
  return [...brokenChains(history), ...contradictions(history), ...world.violations()];
}

/** I2: no entry is committed by one segment's log and aborted by another's. */
export function contradictions({ entries }: History): string[] {
  return [...entries]
    .filter(([, entry]) => new Set(entry.decisions.values()).size > 1)
    .map(([name]) => `${name} is both committed and aborted`);
}

/** I3: committed versions of a page form one chain. Names every fork and every base that is not there. */
export function brokenChains({ entries }: History): string[] {
  const found: string[] = [];
  const byPage = new Map<number, { base: PageVersion; version: PageVersion }[]>();
  for (const { stream, lsn, slices, decisions } of entries.values()) {
    if (![...decisions.values()].includes("commit")) continue;
    for (const slice of slices.values())
      for (const { page, base } of slice.deltas) {
        const versions = byPage.get(page) ?? [];
        versions.push({ base, version: { stream, lsn } });
        byPage.set(page, versions);
      }
  }
  for (const [page, versions] of byPage) {
    const names = new Set(versions.map(({ version }) => showVersion(version)));
    const bases = new Map<string, string>();
    for (const { base, version } of versions) {
      const name = showVersion(base);
      const rival = bases.get(name);
      if (rival !== undefined)
        found.push(`page ${page}: ${rival} and ${showVersion(version)} are both built on ${name}`);
      bases.set(name, showVersion(version));
      if (name !== "none" && !names.has(name))
        found.push(`page ${page}: ${showVersion(version)} is built on ${name}, which is not committed`);
    }
  }
  return found;
}

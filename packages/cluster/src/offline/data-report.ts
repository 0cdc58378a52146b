/**
 * What a check of a stopped cluster's data finds, for programs and for people.
 *
 *     note       nothing is damaged: what a start takes care of, and a user may want to know
 *     warning    something is damaged, and nothing lost: other copies are whole
 *     error      something is lost, or the copies contradict each other
 */
import type { Mode, PageId, PgId } from "@sixfold/model";

export type Severity = "note" | "warning" | "error";

/** Closed: programs branch on it. */
export type FindingKind =
  | "server-lost"
  | "server-fails"
  | "log-torn"
  | "page-store-damaged"
  | "page-damaged"
  | "segment-behind"
  | "too-few-copies"
  | "stream-open"
  | "not-a-member"
  | "members-change"
  | "manifest-unreadable"
  | "pg-unreadable"
  | "page-lost"
  | "pages-differ"
  | "slices-missing"
  | "slices-differ"
  | "chain-forked"
  | "tree-damaged";

export interface Finding {
  readonly severity: Severity;
  readonly kind: FindingKind;
  readonly text: string;
  /** The segment server it was found on, if it is one. */
  readonly server?: string;
  readonly pg?: PgId;
  /** The first of the pages concerned, ascending. */
  readonly pages?: readonly PageId[];
}

/** One segment server's data. */
export interface ServerReport {
  readonly name: string;
  readonly az: string | undefined;
  /** `lost`: nothing of it can be used. `behind`: whole, but others have more; gossip brings it. `spare`: it keeps nothing, and is to. */
  readonly state: "whole" | "damaged" | "behind" | "spare" | "lost";
  readonly logFiles: number;
  readonly logBlocks: number;
  readonly pagesStored: number;
  readonly pagesDamaged: number;
  /** What its directories take on the medium. */
  readonly logBytes: number;
  readonly pageStoreBytes: number;
  /** Pages of its PGs that the volume uses, times their size. */
  readonly liveBytes: number;
}

/** The volume at its newest read point. */
export interface VolumeSummary {
  readonly mode: Mode;
  readonly revision: number;
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly pgs: number;
  readonly tables: number;
  readonly rows: number;
  /** `allocated` are `reachable` and the headers of extents and volume; `free` lie in claimed extents, too. */
  readonly allocated: number;
  readonly reachable: number;
  readonly free: number;
  /** Slices still in logs that were compared. */
  readonly slices: number;
  /** Pages that were compared on all their segments. */
  readonly pagesCompared: number;
}

export type Verdict = "ok" | "warnings" | "damaged";

export interface DataReport {
  readonly verdict: Verdict;
  readonly servers: readonly ServerReport[];
  /** Undefined if it could not be read, or if nothing was ever written. */
  readonly volume: VolumeSummary | undefined;
  readonly findings: readonly Finding[];
}

/** Pages named in a finding; the text counts them all. */
const PAGES_NAMED = 20;
/** Findings of one kind on one server or PG; more say nothing new. */
const FINDINGS_OF_A_KIND = 50;

export class Findings {
  readonly all: Finding[] = [];
  private readonly counts = new Map<string, number>();

  add(finding: Finding): void {
    const key = `${finding.kind} ${finding.server ?? ""} ${finding.pg ?? ""}`;
    const count = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, count);
    if (count <= FINDINGS_OF_A_KIND) this.all.push(finding);
  }

  get verdict(): Verdict {
    if (this.all.some(({ severity }) => severity === "error")) return "damaged";
    return this.all.some(({ severity }) => severity === "warning") ? "warnings" : "ok";
  }
}

/** `1 page (17)`, `3 pages (1, 2, 17)`: for texts. */
export function pagesInWords(pages: readonly PageId[]): string {
  const named = pages.slice(0, PAGES_NAMED).join(", ");
  const more = pages.length > PAGES_NAMED ? ", …" : "";
  return `${pages.length} ${pages.length === 1 ? "page" : "pages"} (${named}${more})`;
}

export const firstPages = (pages: readonly PageId[]): readonly PageId[] => pages.slice(0, PAGES_NAMED);

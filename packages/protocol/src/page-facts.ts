/**
 * Committed versions of pages, as far back as a condition may look: per page the last links of its chain, and who checked them.
 *
 *     none <── 1:4 <── 1:9 <── 2:3          links (base, version), oldest first
 *                       ^ checked by 2:2
 *
 * Bounded: some links a page, and pages that nothing has touched for long are forgotten (`generations.ts`).
 */
import { sameVersion, type PageId, type PageVersion } from "@sixfold/model";
import { Generations } from "./generations.ts";

interface Link {
  readonly base: PageVersion;
  readonly version: PageVersion;
}

interface PageRecord {
  readonly links: Link[];
  /** Older links were forgotten. */
  isTrimmed: boolean;
  readonly checks: Link[];
}

/** Links kept of a page: readers and rivals look back a few versions, not hundreds. */
const LINKS_MAX = 256;
const NOBODY: readonly PageVersion[] = Object.freeze([]);

export class PageFacts {
  private readonly pages: Generations<PageId, PageRecord>;

  constructor(capacity: number) {
    this.pages = new Generations(capacity);
  }

  get size(): number {
    return this.pages.size;
  }

  committed(page: PageId, base: PageVersion, version: PageVersion): void {
    const record = this.record(page);
    if (push(record.links, { base, version })) record.isTrimmed = true;
  }

  checked(page: PageId, base: PageVersion, by: PageVersion): void {
    push(this.record(page).checks, { base, version: by });
  }

  /** The committed version on `base`. Looks from the newest back, at `LINKS_MAX` at most. */
  successor(page: PageId, base: PageVersion): PageVersion | undefined {
    const links = this.pages.get(page)?.links;
    if (links === undefined) return undefined;
    for (let i = links.length - 1; i >= 0; i--)
      if (sameVersion(links[i]!.base, base)) return links[i]!.version;
    return undefined;
  }

  /** True if this committed version is older than all that is remembered of the page. */
  isOlder(page: PageId, committed: PageVersion): boolean {
    const record = this.pages.get(page);
    if (record === undefined || !record.isTrimmed) return false;
    return !record.links.some(
      (link) => sameVersion(link.base, committed) || sameVersion(link.version, committed),
    );
  }

  checkersOf(page: PageId, base: PageVersion): readonly PageVersion[] {
    const checks = this.pages.get(page)?.checks;
    if (checks === undefined || checks.length === 0) return NOBODY;
    return checks.filter((c) => sameVersion(c.base, base)).map((c) => c.version);
  }

  private record(page: PageId): PageRecord {
    let record = this.pages.get(page);
    if (record === undefined) {
      record = { links: [], isTrimmed: false, checks: [] };
      this.pages.set(page, record);
    }
    return record;
  }
}

/** True if old ones had to go. */
function push(list: Link[], link: Link): boolean {
  list.push(link);
  if (list.length <= LINKS_MAX) return false;
  list.splice(0, LINKS_MAX / 2);
  return true;
}

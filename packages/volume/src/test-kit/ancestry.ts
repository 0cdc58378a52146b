/** What every page version was built on, known to all fake segments of a world. */
import { isNone, NONE, sameVersion, type PageId, type PageVersion } from "@sixfold/model";

/**
 * Which version each version of a page was built on, of all slices ever sent in the test's world. A real segment
 * works this out from the slices that it has; here it is known to all, so that rule 2 can be taken by its word.
 */
export class Ancestry {
  private readonly bases = new Map<string, PageVersion>();

  note(page: PageId, version: PageVersion, base: PageVersion): void {
    this.bases.set(`${page}|${version.stream}:${version.lsn}`, base);
  }

  baseOf(page: PageId, version: PageVersion): PageVersion {
    return this.bases.get(`${page}|${version.stream}:${version.lsn}`) ?? NONE;
  }

  /** Is `old` the same as `young`, or one that it was built on? */
  reaches(page: PageId, young: PageVersion, old: PageVersion): boolean {
    for (let v = young; ; v = this.baseOf(page, v)) {
      if (sameVersion(v, old)) return true;
      if (isNone(v)) return false;
    }
  }
}

/** Where tree operations read pages: the newest ones (`EntryBuilder`) or those of a view (`ViewReader`). */
import type { PageId, ByteArena } from "@sixfold/model";

export interface PageReader {
  /** The page's image, on loan. Unwinds if it is not here. */
  read(page: PageId): Uint8Array;
  /** Where copies of values are made; they die with the reply or the procedure. */
  readonly values: ByteArena;
  /** Notes the page as wanted if it is not here. */
  ready(page: PageId): boolean;
}

/** Which rows a scan gives, in client and procedures alike. */
import type { Key } from "@sixfold/wire";

export interface ScanOptions {
  readonly gt?: Key;
  readonly gte?: Key;
  readonly lt?: Key;
  readonly lte?: Key;
  /** Rows at most; all if absent. */
  readonly limit?: number;
  readonly reverse?: boolean;
}

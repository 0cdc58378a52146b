/**
 * How far the heap of a process grows before the collector looks at all of it.
 *
 * Left to itself V8 lets a heap that fills quickly grow to four times what is in use, and a segment server's memory is to be bounded whatever it stores:
 * what it keeps is (`keepBytesMax`), and what it has dropped is not to be several times that.
 */
import { setFlagsFromString } from "node:v8";

const GROWING_PERCENT = 60;

/** For this process, from now on. Not for one that others use for other things as well. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

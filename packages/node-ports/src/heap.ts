/**
 * How far the heap of a process grows before the collector looks at all of it.
 *
 * Left to itself V8 lets a heap that fills quickly grow to four times what is in use, and a segment server's memory is to be bounded whatever it stores:
 * what it keeps is (`keepBytesMax`), and what it has dropped is not to be several times that. But buffers count as growth, too,
 * though not as what is in use: of a share alone, a few MiB of them have a small heap collected several times a second.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";

const GROWING_PERCENT = 60;
/** A heap may grow by so much, however small it is. */
const GROWTH_LEAST = 48 * 1024 * 1024;
const LOOK_MS = 1000;

/** For this process, from now on. Not for one that others use for other things as well. */
export function boundHeapGrowth(): void {
  let percent = 0;
  const look = (): void => {
    const least = Math.ceil((100 * GROWTH_LEAST) / getHeapStatistics().used_heap_size);
    const wanted = Math.max(GROWING_PERCENT, least);
    if (wanted === percent) return;
    percent = wanted;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  look();
  setInterval(look, LOOK_MS).unref();
}

/**
 * A process that reads all of a page store, and ends well only if it came through (see `stored-host`):
 *
 *     node page-store-survey.js <directory>
 *
 * Exit code 0: every page that the store counts can be read. Else the first line on stderr says why not, unless a signal does.
 */
import { LmdbPageStore } from "./lmdb-page-store.ts";

const STRIDE = 1_000;

async function read(directory: string): Promise<string | undefined> {
  const store = LmdbPageStore.openReadOnly(directory);
  let found = 0;
  try {
    for (let from = 0, more = true; more;) {
      const ids = store.pages(from, STRIDE);
      for (const page of ids) {
        if (page < from) return `its index is out of order at page ${page}`;
        if (store.get(page) === undefined) return `its index leads to page ${page}, which is not there`;
        from = page + 1;
      }
      found += ids.length;
      more = ids.length === STRIDE;
    }
    return found === store.count() ? undefined : `its index leads to ${found} of ${store.count()} pages`;
  } finally {
    await store.close();
  }
}

let fault: string | undefined;
try {
  fault = await read(process.argv[2]!);
} catch (error) {
  fault = error instanceof Error ? error.message : String(error);
}
if (fault !== undefined) {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}

/**
 * What the page store costs: wall time and processor time of filling it, of changing pages at random until cleaning goes on all the time, by putting them
 * anew or by adding to them, and of reading.
 *
 *     npx tsx --conditions=source packages/node-ports/bench/page-store.ts [--pages 16000] [--batches 2000]
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { Random } from "@sixfold/model";
import type { PagePut } from "@sixfold/ports";
import { FilePageStore } from "../src/pages/file-page-store.ts";

const { values } = parseArgs({
  options: {
    pages: { type: "string", default: "16000" },
    batches: { type: "string", default: "2000" },
  },
});
const PAGES = Number(values.pages);
const BATCHES = Number(values.batches);
const BATCH_PAGES = 64;
const FILL_PAGES = 1024;
const READS = 100_000;
const bytes = Uint8Array.from({ length: 7300 }, (_, i) => 1 + ((i * 7) % 255));

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-page-store-"));
const random = new Random(1);
const store = await FilePageStore.open(dir);

const putAll = (pages: readonly PagePut[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.put(pages, (error) => (error === undefined ? resolve() : reject(error)));
  });
const put = (pages: readonly number[]): Promise<void> => putAll(pages.map((page) => [page, bytes] as const));

/** Of each page, since it was put anew. */
const added = new Uint8Array(PAGES);

/** Eight times more of a page, then the page anew, as merging does it. */
function grown(page: number): PagePut {
  added[page] = (added[page]! + 1) % 9;
  return added[page] === 0 ? [page, bytes] : [page, bytes.subarray(0, 180), "add"];
}

async function measured(what: string, work: () => Promise<void>): Promise<Record<string, unknown>> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const ms = Math.round(performance.now() - began);
  return { what, ms, "processor ms": Math.round((user + system) / 1000) };
}

try {
  const rows = [
    await measured(`${PAGES} pages in order, ${FILL_PAGES} a batch, two under way`, async () => {
      let before = Promise.resolve();
      for (let first = 0; first < PAGES; first += FILL_PAGES) {
        const batch = put(Array.from({ length: Math.min(FILL_PAGES, PAGES - first) }, (_, i) => first + i));
        await before;
        before = batch;
      }
      await before;
    }),
    await measured(`${BATCHES * BATCH_PAGES} random ones anew, ${BATCH_PAGES} a batch`, async () => {
      for (let n = 0; n < BATCHES; n++)
        await put(Array.from({ length: BATCH_PAGES }, () => random.int(PAGES)));
    }),
    await measured(
      `${10 * BATCHES * BATCH_PAGES} random ones grown, or anew, ${BATCH_PAGES} a batch`,
      async () => {
        for (let n = 0; n < 10 * BATCHES; n++)
          await putAll(Array.from({ length: BATCH_PAGES }, () => grown(random.int(PAGES))));
      },
    ),
    await measured(`${READS} ends read at random`, async () => {
      for (let n = 0; n < READS; n++) store.tail(random.int(PAGES), 200);
    }),
    await measured(`${READS} random reads`, async () => {
      for (let n = 0; n < READS; n++) store.get(random.int(PAGES));
    }),
  ];
  console.table(rows);
  console.log(
    `${(store.diskBytes() / (PAGES * bytes.length)).toFixed(2)} times the bytes of its pages on disk`,
  );
} finally {
  await store.close();
  fs.rmSync(dir, { recursive: true, force: true });
}

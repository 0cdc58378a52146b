/**
 * What it costs to remember commits whose slices have left (`ended.ts`): processor time to note one, to state them in a checkpoint, and to
 * look for one that is not there; memory of a full ring.
 *
 *     npx tsx --conditions=source packages/segment/bench/ended.ts
 */
import { lsn, pgId, streamId, transactionId } from "@sixfold/model";
import { CAPACITY, EndedTransactions } from "../src/ended.ts";

const [PG, STREAM] = [pgId(0), streamId(1)];
const COMMITS = CAPACITY + CAPACITY / 4;
const idOf = (at: number) => transactionId(`1.${(at - 1).toString(36)}-abcdefghijkl`);

function userMs(work: () => void): number {
  const before = process.cpuUsage().user;
  work();
  return (process.cpuUsage().user - before) / 1000;
}

const ended = new EndedTransactions();
ended.begin(PG, STREAM, false);
const ids = Array.from({ length: COMMITS }, (_, i) => idOf(i + 1));
const noting = userMs(() => ids.forEach((id, i) => ended.add(PG, STREAM, lsn(i + 1), id)));
let bytes = 0;
const saving = userMs(() => {
  for (let i = 0; i < 10; i++) bytes = JSON.stringify(ended.save()).length;
});
const never = transactionId("1.0-never");
const searching = userMs(() => {
  for (let i = 0; i < 10; i++) ended.find(PG, STREAM, never, lsn(0));
});
const recent = userMs(() => {
  for (let i = 0; i < 10; i++) ended.find(PG, STREAM, never, lsn(COMMITS - 10_000));
});
console.log({
  remembered: ended.count,
  usToNote: (noting * 1000) / COMMITS,
  msToSave: saving / 10,
  checkpointBytes: bytes,
  msToMissAny: searching / 10,
  msToMissRecent: recent / 10,
});

/**
 * The thread of a `ThreadCourier`: receives pages, looks at their checksums, hands their memory over.
 *
 * Its heap is small, and pages come into memory that the collector is not told of (rooms.ts), so that it has next to nothing to do; and it has
 * a low priority, so that on a busy machine commits go first. That is a thread's own on Linux only: elsewhere it
 * would be the whole process's.
 */
import * as os from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@sixfold/model";
import { NodeClock, WebSocketNetwork } from "@sixfold/node-ports";
import { LinkCourier } from "./courier.ts";
import { Journal } from "./journal.ts";
import { placesOf, type CourierData, type CourierOrder, type CourierReport } from "./thread-courier.ts";

/** Below all else by five steps: commits go first, yet with 19 a machine that others keep busy would leave a copy next to nothing. */
const PRIORITY = 5;

assert(parentPort !== null, "a courier's thread has been started by one");
const port = parentPort;
const { identity, liveness } = workerData as CourierData;
if (process.platform === "linux") os.setPriority(0, PRIORITY);

const report = (what: CourierReport, memory: readonly ArrayBuffer[] = []): void =>
  port.postMessage(what, memory);
/** Questions so far. */
let asked = 0;
const journal = new Journal((level, event, fields) => report({ kind: "said", level, event, fields }));
const courier = new LinkCourier(
  { clock: new NodeClock(), network: new WebSocketNetwork(), identity, journal, liveness },
  {
    brought: (peer, { pages, ...answer }, frame) => {
      const places = placesOf(pages, frame);
      report({ kind: "brought", peer, answer, places, frame }, goesAlong(frame));
    },
    failed: (peer, questions, reason) => report({ kind: "failed", peer, questions, reason }),
    idle: () => report({ kind: "idle", asked }),
  },
);

port.on("message", (order: CourierOrder) => {
  if (order.kind === "ask") {
    asked += 1;
    courier.ask(order.source, order.question);
  } else if (order.kind === "forget") courier.forget(order.peer, order.request);
  else courier.giveBack(order.room);
});

/** A room is shared, and so goes without. A small frame may share its memory with those that came with it: then it is copied. */
const goesAlong = ({ buffer, byteLength }: Uint8Array): ArrayBuffer[] =>
  buffer instanceof ArrayBuffer && byteLength === buffer.byteLength ? [buffer] : [];

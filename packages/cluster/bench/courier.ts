/**
 * What it takes a newcomer to receive pages by a courier, without all else that a replacement is: processor time by thread.
 *
 *     npx tsx --conditions=source packages/cluster/bench/courier.ts              1 GiB, thrown away when it has come
 *     npx tsx --conditions=source packages/cluster/bench/courier.ts --store      and stored
 *
 * Another process plays five survivors, who give the same pages again and again. Of each two steps are asked for at a time, as in a replacement. Options:
 *
 *     --mib 1024      steps of 128 pages, 0.9 MiB as they are stored
 *     --rounds 3      each with a courier of its own, so that its thread begins anew
 *     --store         into a page store in a temporary directory
 *
 * Linux only (threads.ts).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { assert, NONE, nodeName, pageId, pgId, streamId } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import type { PageStore } from "@sixfold/ports";
import { encodePage } from "@sixfold/segment";
import { CARGO_HEADER_BYTES, packCargo, volumeTagOf, type PulledPages, type PullPages } from "@sixfold/wire";
import { listenerHandlers, type Channel, type Identity } from "../src/channel.ts";
import { Heartbeats } from "../src/heartbeats.ts";
import { Journal } from "../src/journal.ts";
import { ROOM_BYTES } from "../src/rooms.ts";
import { ThreadCourier } from "../src/thread-courier.ts";
import { spentSince, threadsOf } from "./threads.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mib: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
    store: { type: "boolean", default: false },
  },
});

const SELF = fileURLToPath(import.meta.url);
const SURVIVORS = 5;
const STEPS_AT_A_TIME = 2;
/** Of a step, as the ballast of replace.ts fills them, and as they lie in a store. */
const PAGES = 128;
const IMAGE_BYTES = 7200;
const PAGE_BYTES = IMAGE_BYTES + 54;
const STORED_BYTES = 7680;
/** Asked for and not stored. */
const STEPS_AHEAD = 24;

const identity = (name: string): Identity => ({ role: "segment", name, volume: "v", token: "" });
const volumeTag = volumeTagOf("v");
const journal = new Journal(() => undefined);

// --- the survivors ----------------------------------------------------------------------------------

function pagesIn(room: Uint8Array): PulledPages["pages"] {
  return Array.from({ length: PAGES }, (_, n) => {
    const at = CARGO_HEADER_BYTES + n * STORED_BYTES;
    return { page: pageId(n), stored: room.subarray(at, at + PAGE_BYTES) };
  });
}

/** With pages whose checksums are right. */
function newRoom(): Uint8Array {
  const room = new Uint8Array(ROOM_BYTES);
  for (const { page, stored } of pagesIn(room)) {
    const image = Uint8Array.from({ length: IMAGE_BYTES }, (_, i) => 1 + ((i * 7 + page) % 255));
    const bytes = encodePage(page, { version: NONE, base: NONE, merged: new Map(), image });
    assert(bytes.length === stored.length, "a page of the ballast is stored as it is");
    stored.set(bytes);
  }
  return room;
}

async function survive(): Promise<void> {
  const rooms = Array.from({ length: SURVIVORS * STEPS_AT_A_TIME }, newRoom);
  const message = (channel: Channel, asked: object): void => {
    const room = rooms.pop() ?? newRoom();
    const answer: PulledPages = {
      type: "pulledPages",
      ...{ request: (asked as PullPages).request, pg: pgId(0), pages: pagesIn(room) },
      ...{ next: undefined, merged: [], settledThrough: streamId(0) },
    };
    channel.sendCargo(packCargo(answer, volumeTag, room), () => rooms.push(room));
  };
  const events = { up: () => undefined, message, down: () => undefined };
  const { network } = new NodeHost("survivors", ".");
  const urls = [];
  for (let n = 0; n < SURVIVORS; n++) {
    const handlers = listenerHandlers(identity(`s${n}`), events, journal, new Heartbeats());
    urls.push((await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes: 8 << 20 }, handlers)).url);
  }
  process.stdout.write(JSON.stringify(urls));
}

// --- the newcomer -----------------------------------------------------------------------------------

/** Receives all of it; returns what it took. */
function receive(urls: readonly string[], store: PageStore | undefined): Promise<string> {
  const steps = Number(values.mib);
  const { clock, network } = new NodeHost("newcomer", ".");
  const before = threadsOf(process.pid);
  const began = performance.now();
  let [asked, left] = [0, steps];
  const waiting: number[] = [];
  return new Promise((resolve, reject) => {
    const ask = (survivor: number): void => {
      if (asked === steps) return;
      if (asked - (steps - left) >= STEPS_AHEAD) return void waiting.push(survivor);
      const source = { name: nodeName(`s${survivor}`), url: urls[survivor]!, latencyMs: 0 };
      const wanted = { pg: pgId(0), from: pageId(0), limit: PAGES, mends: undefined };
      courier.ask(source, { type: "pullPages", request: ++asked, ...wanted });
    };
    const stored = (memory: ArrayBufferLike): void => {
      courier.giveBack(memory);
      left -= 1;
      if (left === 0) {
        const spent = spentSince(before, process.pid);
        const all = Object.values(spent).reduce((sum, ms) => sum + ms, 0);
        resolve(
          `${Math.round(performance.now() - began)} ms, processor ms ${JSON.stringify(spent)}, ${all} in all`,
        );
        courier.stop();
      }
      for (const survivor of waiting.splice(0)) ask(survivor);
    };
    const brought = (peer: string, { request, pages }: PulledPages, { buffer }: Uint8Array): void => {
      ask(Number(peer.slice(1)));
      if (store === undefined) return void setImmediate(() => stored(buffer));
      const placed = pages.map(({ page, stored: bytes }) => [request * PAGES + page, bytes] as const);
      store.put(placed, (error) => (error === undefined ? stored(buffer) : reject(error)));
    };
    const courier: ThreadCourier = new ThreadCourier(
      { clock, network, identity: identity("newcomer"), journal, liveness: undefined },
      { brought, failed: (_peer, _questions, reason) => reject(new Error(reason)) },
    );
    for (let n = 0; n < SURVIVORS * STEPS_AT_A_TIME; n++) ask(n % SURVIVORS);
  });
}

async function round(urls: readonly string[]): Promise<void> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-courier-"));
  try {
    const store = values.store ? await new NodeHost("newcomer", dir).openPageStore("pages") : undefined;
    console.log(await receive(urls, store));
    await store?.close();
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

if (positionals[0] === "survive") await survive();
else {
  const survivors = spawn(process.execPath, [...process.execArgv, SELF, "survive"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [urls] = (await once(survivors.stdout, "data")) as [Buffer];
  for (let n = 0; n < Number(values.rounds); n++)
    await round(JSON.parse(urls.toString()) as readonly string[]);
  survivors.kill();
}

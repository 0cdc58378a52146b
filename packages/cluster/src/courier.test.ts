/** Couriers, on this thread and on one of their own, against a survivor that gives what a test has it give. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Worker } from "node:worker_threads";
import { NONE, nodeName, pageId, pgId, streamId } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import type { Listener } from "@sixfold/ports";
import { encodePage } from "@sixfold/segment";
import { packCargo, volumeTagOf, type PackedCargo, type PulledPages, type PullPages } from "@sixfold/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listenerHandlers, type Channel, type Identity } from "./channel.ts";
import { LinkCourier, type Courier, type CourierEvents, type CourierOptions } from "./courier.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Journal } from "./journal.ts";
import { ROOM_BYTES } from "./rooms.ts";
import { breakingLine } from "./testing/breaking-line.fixture.ts";
import { startThread, ThreadCourier } from "./thread-courier.ts";

const PEER = nodeName("segment-b1");
const TAG = volumeTagOf("v");
const identity = (name: string, token = "secret"): Identity => ({
  role: "segment",
  name,
  volume: "v",
  token,
});
const journal = new Journal(() => undefined);

const question = (request: number): PullPages => ({
  type: "pullPages",
  ...{ request, pg: pgId(0), from: pageId(0), limit: 2, mends: undefined },
});

/** A page as it is stored. */
function page(
  id: number,
  bytes: number,
): { readonly page: ReturnType<typeof pageId>; readonly stored: Uint8Array } {
  const image = new Uint8Array(bytes).fill(1 + (id % 255));
  const stored = encodePage(pageId(id), { version: NONE, base: NONE, merged: new Map(), image });
  return { page: pageId(id), stored };
}

const answer = (request: number, pages: PulledPages["pages"]): PulledPages => ({
  type: "pulledPages",
  ...{ request, pg: pgId(0), pages, next: undefined, merged: [], settledThrough: streamId(0) },
});
const PAGES = [page(1, 70_000), page(2, 300)];

const kinds: readonly (readonly [string, (o: CourierOptions, events: CourierEvents) => Courier])[] = [
  ["on this thread", (o, events) => new LinkCourier(o, events)],
  ["on its own", (o, events) => new ThreadCourier(o, events)],
];

describe.each(kinds)("a courier %s", (_where, make) => {
  let listener: Listener;
  /** What the survivor does with a question. */
  let give: (channel: Channel, asked: PullPages) => void;
  const couriers: Courier[] = [];

  beforeEach(async () => {
    const events = {
      up: () => undefined,
      message: (channel: Channel, message: object) => give(channel, message as PullPages),
      down: () => undefined,
    };
    listener = await new NodeHost("survivor", ".").network.listen(
      { host: "127.0.0.1", port: 0, maxFrameBytes: 1 << 20 },
      listenerHandlers(identity(PEER), events, journal, new Heartbeats()),
    );
  });
  afterEach(async () => {
    for (const courier of couriers.splice(0)) courier.stop();
    await listener.close();
  });

  /** A courier, what happened to it as text, and a wait for so much of that. */
  function begin({
    token = "secret",
    came,
  }: { token?: string; came?: (answered: PulledPages) => void } = {}) {
    const happened: string[] = [];
    const pages: PulledPages["pages"][number][] = [];
    const frames: Uint8Array[] = [];
    let changed = (): void => undefined;
    const add = (what: string): void => {
      happened.push(what);
      changed();
    };
    const { clock, network } = new NodeHost("newcomer", ".");
    const courier = make(
      { clock, network, identity: identity("segment-a1", token), journal, liveness: undefined },
      {
        brought: (peer, answered, frame) => {
          pages.push(...answered.pages);
          frames.push(frame);
          came?.(answered);
          add(`${peer} brought ${answered.request}`);
        },
        failed: (peer, questions) => add(`${peer} failed ${questions.map((q) => q.request).join()}`),
      },
    );
    couriers.push(courier);
    const until = (count: number): Promise<string[]> =>
      new Promise((resolve) => {
        changed = () => {
          if (happened.length >= count) resolve(happened);
        };
        changed();
      });
    const ask = (request: number, url = listener.url): void =>
      courier.ask({ name: PEER, url, latencyMs: 0 }, question(request));
    return { courier, ask, until, pages, frames };
  }

  const sendPages = (channel: Channel, asked: PullPages, pages = PAGES): void =>
    channel.sendCargo(packCargo(answer(asked.request, pages), TAG), () => undefined);

  test("brings pages as they were given", async () => {
    give = (channel, asked) => {
      expect(channel.peer).toEqual({ role: "copier", name: "segment-a1" });
      sendPages(channel, asked);
    };
    const { ask, until, pages } = begin();
    ask(1);
    expect(await until(1)).toEqual([`${PEER} brought 1`]);
    for (const [n, { stored }] of PAGES.entries()) expect(Buffer.compare(pages[n]!.stored, stored)).toBe(0);
  });

  test("uses memory again that was given back, also after what was of no use", async () => {
    give = (channel, asked) => {
      const pages = PAGES.map(({ page: id, stored }) => ({ page: id, stored: stored.slice() }));
      if (asked.request === 2) pages[1]!.stored[200]! ^= 1;
      sendPages(channel, asked, pages);
    };
    const { ask, until, frames, courier } = begin();
    for (let request = 1; request <= 4; request++) {
      ask(request);
      await until(request);
      if (request === 2) continue;
      const { buffer } = frames.at(-1)!;
      // Behind what comes there.
      new Uint8Array(buffer)[buffer.byteLength - 1]! += 1;
      courier.giveBack(buffer);
    }
    expect(frames.map(({ buffer }) => new Uint8Array(buffer).at(-1))).toEqual([3, 3, 3]);
  });

  test("brings pages that are stored as they were given, though their memory is used again", async () => {
    const given = (request: number) => [page(2 * request, 70_000), page(2 * request + 1, 300)];
    give = (channel, asked) => sendPages(channel, asked, given(asked.request));
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-courier-"));
    const store = await new NodeHost("newcomer", dir).openPageStore("pages");
    let asked = 4;
    const { ask, until, courier } = begin({
      came({ pages }) {
        const put = pages.map(({ page: id, stored }) => [id, stored] as const);
        store.put(put, () => {
          courier.giveBack(pages[0]!.stored.buffer);
          if (asked < 60) ask(asked++);
        });
      },
    });
    for (let request = 0; request < 4; request++) ask(request);
    await until(60);
    await store.close();
    const again = await new NodeHost("newcomer", dir).openPageStore("pages");
    for (let request = 0; request < 60; request++)
      for (const { page: id, stored } of given(request))
        expect(Buffer.compare(again.get(id)!, stored)).toBe(0);
    await again.close();
    fs.rmSync(dir, { recursive: true });
  });

  test("has so much memory that is used again, and what comes besides is gone when it is given back", async () => {
    give = (channel, asked) => sendPages(channel, asked);
    const { ask, until, pages, frames, courier } = begin();
    for (let request = 1; request <= 40; request++) ask(request);
    await until(40);
    const isRoom = frames.map(({ buffer }) => buffer.byteLength === ROOM_BYTES);
    expect(isRoom).toEqual(frames.map((_, n) => n < 32));
    for (const [n, { stored }] of pages.entries())
      expect(Buffer.compare(stored, PAGES[n % 2]!.stored)).toBe(0);
    for (const { buffer } of frames) courier.giveBack(buffer);
    const isGone = courier instanceof ThreadCourier;
    expect(frames.slice(32).map(({ buffer }) => buffer.byteLength === 0)).toEqual(Array(8).fill(isGone));
  });

  test("says what was not answered when its link breaks in the middle of a cargo", async () => {
    give = (channel, asked) => sendPages(channel, asked);
    const { ask, until, pages } = begin();
    const line = await breakingLine(listener.port, 40_000);
    ask(1, line.url);
    ask(2, line.url);
    expect(await until(1)).toEqual([`${PEER} failed 1,2`]);
    ask(3, line.url);
    expect(await until(2)).toEqual([`${PEER} failed 1,2`, `${PEER} brought 3`]);
    for (const [n, { stored }] of PAGES.entries()) expect(Buffer.compare(pages[n]!.stored, stored)).toBe(0);
    line.close();
  });

  test("has not brought a page that came damaged, and brings the next answer", async () => {
    give = (channel, asked) => {
      const pages = PAGES.map(({ page: id, stored }) => ({ page: id, stored: stored.slice() }));
      if (asked.request === 1) pages[1]!.stored[200]! ^= 1;
      sendPages(channel, asked, pages);
    };
    const { ask, until } = begin();
    ask(1);
    expect(await until(1)).toEqual([`${PEER} failed 1`]);
    ask(2);
    expect(await until(2)).toEqual([`${PEER} failed 1`, `${PEER} brought 2`]);
  });

  const wrong: Record<string, (cargo: PackedCargo, request: number) => PackedCargo> = {
    request: ({ head }, request) => ({ head, frame: packCargo(answer(request + 1, PAGES), TAG).frame }),
    volume: ({ head }, request) => ({ head, frame: packCargo(answer(request, PAGES), TAG + 1).frame }),
    length: ({ head, frame }) => ({ head, frame: frame.subarray(0, frame.length - 1) }),
    "length, and more than there is room for": ({ head }) => ({
      head,
      frame: new Uint8Array(ROOM_BYTES + 1),
    }),
  };
  test.each(Object.entries(wrong))("has not brought what is of another %s", async (_what, change) => {
    give = (channel, asked) =>
      channel.sendCargo(change(packCargo(answer(asked.request, PAGES), TAG), asked.request), () => undefined);
    const { ask, until } = begin();
    ask(1);
    ask(2);
    expect((await until(1))[0]).toMatch(/failed 1(,2)?$/);
  });

  test("says what was not answered when its link ends, and makes another", async () => {
    let isFirst = true;
    give = (channel, asked) => {
      if (!isFirst) sendPages(channel, asked);
      else if (asked.request === 2) {
        isFirst = false;
        channel.close("stopping", "for a test");
      }
    };
    const { ask, until } = begin();
    ask(1);
    ask(2);
    expect(await until(1)).toEqual([`${PEER} failed 1,2`]);
    ask(3);
    expect(await until(2)).toEqual([`${PEER} failed 1,2`, `${PEER} brought 3`]);
  });

  test("has not failed to bring what was answered elsewhere", async () => {
    give = (channel, asked) => {
      if (asked.request === 2) channel.close("stopping", "for a test");
    };
    const { ask, until, courier } = begin();
    ask(1);
    courier.forget(PEER, 1);
    ask(2);
    expect(await until(1)).toEqual([`${PEER} failed 2`]);
  });

  test("says so when nobody listens, and when it is not admitted", async () => {
    give = () => expect.fail("nothing is asked");
    const refused = begin({ token: "guess" });
    refused.ask(1);
    expect(await refused.until(1)).toEqual([`${PEER} failed 1`]);
    await listener.close();
    const alone = begin();
    alone.ask(1);
    expect(await alone.until(1)).toEqual([`${PEER} failed 1`]);
  });
});

test("a courier whose thread has been idle is not ended while a question is on its way there", async () => {
  const { clock, network } = new NodeHost("newcomer", ".");
  const asked = question(1);
  const said = [
    { kind: "idle", asked: 0 },
    { kind: "failed", peer: PEER, questions: [asked], reason: "for a test" },
  ];
  const thread = `const { parentPort: p } = require("node:worker_threads");
    p.once("message", () => ${JSON.stringify(said)}.forEach((report) => p.postMessage(report)));`;
  const failed = await new Promise<readonly PullPages[]>((resolve, reject) => {
    const courier = new ThreadCourier(
      { clock, network, identity: identity("segment-a1"), journal, liveness: undefined },
      {
        brought: () => reject(new Error("nothing answers")),
        failed: (_peer, questions) => resolve(questions),
      },
      () => new Worker(thread, { eval: true }),
    );
    courier.ask({ name: PEER, url: "ws://127.0.0.1:9", latencyMs: 0 }, asked);
  });
  expect(failed).toEqual([asked]);
});

describe("a courier whose thread ends", () => {
  test("has failed to answer what it was asked, and starts another for the next question", async () => {
    const threads: Worker[] = [];
    const failed: number[][] = [];
    let changed = (): void => undefined;
    const { clock, network } = new NodeHost("newcomer", ".");
    const courier = new ThreadCourier(
      { clock, network, identity: identity("segment-a1"), journal, liveness: undefined },
      {
        brought: () => expect.fail("nothing answers"),
        failed: (_peer, questions) => {
          failed.push(questions.map(({ request }) => request));
          changed();
        },
      },
      (data) => {
        const thread =
          threads.length === 0
            ? new Worker("throw new Error('for a test')", { eval: true })
            : startThread(data);
        threads.push(thread);
        return thread;
      },
    );
    const until = (count: number): Promise<void> =>
      new Promise((resolve) => {
        changed = () => {
          if (failed.length >= count) resolve();
        };
        changed();
      });
    courier.ask({ name: PEER, url: "ws://127.0.0.1:9", latencyMs: 0 }, question(1));
    courier.ask({ name: PEER, url: "ws://127.0.0.1:9", latencyMs: 0 }, question(2));
    await until(1);
    courier.ask({ name: PEER, url: "ws://127.0.0.1:9", latencyMs: 0 }, question(3));
    await until(2);
    expect(failed).toEqual([[1, 2], [3]]);
    expect(threads.length).toBe(2);
    courier.stop();
    await new Promise((resolve) => threads[1]!.once("exit", resolve));
  });
});

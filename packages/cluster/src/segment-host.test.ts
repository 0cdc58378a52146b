/** The end of a segment server that still had something to do. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { nodeName } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import type { Clock, Host, Link, LinkHandlers } from "@sixfold/ports";
import { encodeMessage, volumeTagOf, type StorageMessage } from "@sixfold/wire";
import { expect, onTestFinished, test } from "vitest";
import { Journal } from "./journal.ts";
import { startSegmentHost, type SegmentHostOptions } from "./segment-host.ts";

const tag = volumeTagOf("v");

/** A host whose turns come when they are taken from `turns`, and whose listener's links are made by hand. */
function handDriven(dir: string) {
  const real = new NodeHost("segment-a1", dir);
  const turns: (() => void)[] = [];
  const clock: Clock = {
    nowMs: () => real.clock.nowMs(),
    wallMs: () => real.clock.wallMs(),
    after: () => ({ cancel: () => undefined }),
    soon: (run) => void turns.push(run),
  };
  let handlers: LinkHandlers | undefined;
  const host: Host = {
    name: real.name,
    clock,
    network: {
      listen: (_at, given) => {
        handlers = given;
        return Promise.resolve({ port: 0, url: "", close: () => Promise.resolve() });
      },
      connect: () => expect.unreachable("it knows of nobody"),
    },
    openDisk: (name) => real.openDisk(name),
    openPageStore: (name) => real.openPageStore(name),
    entropy: () => 1,
  };
  const link: Link = { remote: "test", bufferedBytes: 0, send: () => undefined, close: () => undefined };
  const receive = (message: StorageMessage): void => handlers!.frame(link, encodeMessage(message, tag));
  return { host, turns, receive, accept: () => handlers!.open!(link) };
}

/** A server that a writer speaks to: each of its `prepares` is a record, some bytes of log. */
async function served(changes: Partial<SegmentHostOptions> = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-stop-"));
  onTestFinished(() => fs.rmSync(dir, { recursive: true }));
  const { host, turns, receive, accept } = handDriven(dir);
  const listen = { host: "127.0.0.1", port: 0 };
  const name = nodeName("segment-a1");
  const options = { name, volume: "v", token: "", listen, servers: [], latencyMsTo: () => 0, ...changes };
  const start = () => startSegmentHost(host, options, new Journal(() => undefined));
  const segment = await start();
  accept();
  receive({ type: "hello", protocol: 1, role: "node", name: "writer-1", volume: "v", token: "" });
  const prepare = (round: number) =>
    receive({ type: "manifestPrepare", request: round, ballot: { round, proposer: "writer-1" } });
  return { segment, turns, prepare, start };
}

test("what was to be persisted when it was stopped is not", async () => {
  const { segment, turns, prepare, start } = await served();
  prepare(1);
  expect(turns.length).toBeGreaterThan(0);
  await segment.stop();
  while (turns.length > 0) turns.shift()!();
  const again = await start();
  expect(again.status()).toMatchObject({ ready: true });
  await again.stop();
});

test("a log that goes on to a new file while it is closed gets no checkpoint", async () => {
  const { segment, turns, prepare, start } = await served({ logFileBytes: 4_096 });
  for (let round = 1; round <= 400; round++) {
    prepare(round);
    while (turns.length > 0) turns.shift()!();
  }
  await segment.stop();
  const again = await start();
  expect(again.status()).toMatchObject({ ready: true });
  await again.stop();
});

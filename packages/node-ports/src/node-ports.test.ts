import { createServer } from "node:net";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type { ConnectOptions, Link, LinkHandlers, Network } from "@sixfold/ports";
import type { Harness } from "@sixfold/ports/contract";
import {
  clockContract,
  diskContract,
  logContract,
  networkContract,
  pageStoreContract,
} from "@sixfold/ports/contract";
import { logBlockCodec } from "@sixfold/wire";
import { expect, test } from "vitest";
import { FileDisk } from "./file-disk.ts";
import { NodeClock } from "./node-clock.ts";
import { FilePageStore } from "./pages/file-page-store.ts";
import { WebSocketNetwork } from "./web-socket-network.ts";

/** The real world goes on by itself; the test's own time limit ends a wait in vain. */
const harness: Omit<Harness, "close"> = {
  async until(condition) {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  },
  settle: (promise) => promise,
};

async function temporary(): Promise<{ directory: string; remove: () => Promise<void> }> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "sixfold-ports-"));
  return { directory, remove: () => fs.rm(directory, { recursive: true, force: true }) };
}

/** A port that was free a moment ago. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

clockContract("Node timers", async () => ({ ...harness, clock: new NodeClock(), close: async () => {} }));

const webSockets = async (network: Network) => ({
  ...harness,
  network,
  host: "127.0.0.1",
  deadUrl: `ws://127.0.0.1:${await deadPort()}`,
  close: async () => {},
});
networkContract("WebSockets", () => webSockets(new WebSocketNetwork()));

/** As one that always names the memory for what comes. */
class IntoRooms extends WebSocketNetwork {
  override connect(url: string, options: ConnectOptions, handlers: LinkHandlers): Link {
    return super.connect(url, { roomFor: (bytes) => new Uint8Array(bytes), ...options }, handlers);
  }
}
networkContract("WebSockets, into rooms", () => webSockets(new IntoRooms()));

test("a WebSocket asks for memory for a frame of 64 KiB or more, also of one that comes with the first", async () => {
  const network = new WebSocketNetwork();
  const sizes = [70_000, 65_535, 65_536, 1 << 20];
  const listener = await network.listen(
    { host: "127.0.0.1", port: 0, maxFrameBytes: 1 << 20 },
    {
      open: (link) => sizes.forEach((bytes) => link.send(new Uint8Array(bytes).fill(bytes % 251))),
      frame: () => undefined,
      closed: () => undefined,
    },
  );
  const asked: number[] = [];
  const roomFor = (bytes: number): Uint8Array => {
    asked.push(bytes);
    return new Uint8Array(bytes);
  };
  const came = await new Promise<Uint8Array[]>((resolve) => {
    const frames: Uint8Array[] = [];
    const frame = (_link: Link, bytes: Uint8Array): void => {
      if (frames.push(bytes) === sizes.length) resolve(frames);
    };
    const options = { maxFrameBytes: 1 << 20, trusted: true, timeoutMs: 5000, roomFor };
    network.connect(listener.url, options, { frame, closed: () => undefined });
  });
  expect(asked).toEqual([70_000, 65_536, 1 << 20]);
  expect(came.map(({ length }) => length)).toEqual(sizes);
  expect(came.every((bytes) => bytes.every((byte) => byte === bytes.length % 251))).toBe(true);
  await listener.close();
});

async function fileDisk(syncOnWrite: boolean) {
  const { directory, remove } = await temporary();
  let disk = await FileDisk.open(directory, { syncOnWrite });
  return {
    ...harness,
    disk,
    reopen: async () => {
      await disk.close();
      return (disk = await FileDisk.open(directory, { syncOnWrite }));
    },
    close: async () => {
      await disk.close();
      await remove();
    },
  };
}

diskContract("files, fdatasync", () => fileDisk(false));
if (process.platform === "linux") diskContract("files, O_DSYNC", () => fileDisk(true));
logContract("files", logBlockCodec, () => fileDisk(process.platform === "linux"));

pageStoreContract("files", async () => {
  const { directory, remove } = await temporary();
  let store = await FilePageStore.open(directory);
  return {
    ...harness,
    store,
    reopen: async () => {
      await store.close();
      return (store = await FilePageStore.open(directory));
    },
    close: async () => {
      await store.close();
      await remove();
    },
  };
});

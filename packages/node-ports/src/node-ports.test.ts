import { createServer } from "node:net";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type { Harness } from "@sixfold/ports/contract";
import {
  clockContract,
  diskContract,
  logContract,
  networkContract,
  pageStoreContract,
} from "@sixfold/ports/contract";
import { logBlockCodec } from "@sixfold/wire";
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

networkContract("WebSockets", async () => ({
  ...harness,
  network: new WebSocketNetwork(),
  host: "127.0.0.1",
  deadUrl: `ws://127.0.0.1:${await deadPort()}`,
  close: async () => {},
}));

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

import { webcrypto } from "node:crypto";
import * as path from "node:path";
import type { Clock, Disk, Host, Network, PageStore } from "@sixfold/ports";
import { FileDisk } from "./file-disk.ts";
import { NodeClock } from "./node-clock.ts";
import { FilePageStore } from "./pages/file-page-store.ts";
import { WebSocketNetwork } from "./web-socket-network.ts";

/** All ports of one node on Node.js. Disks and page stores are directories below `directory`; two names never meet in one. */
export class NodeHost implements Host {
  readonly name: string;
  readonly clock: Clock = new NodeClock();
  readonly network: Network = new WebSocketNetwork();
  readonly #directory: string;

  constructor(name: string, directory: string) {
    this.name = name;
    this.#directory = directory;
  }

  openDisk(name: string): Promise<Disk> {
    return FileDisk.open(diskDirectory(this.#directory, name));
  }

  async openPageStore(name: string): Promise<PageStore> {
    return FilePageStore.open(pageStoreDirectory(this.#directory, name));
  }

  entropy(): number {
    return webcrypto.getRandomValues(new Uint32Array(1))[0]!;
  }
}

/** Where a host keeps its disk `name`. */
export const diskDirectory = (host: string, name: string): string => path.join(host, `${name}.disk`);
/** Where a host keeps its page store `name`. */
export const pageStoreDirectory = (host: string, name: string): string => path.join(host, `${name}.pages`);

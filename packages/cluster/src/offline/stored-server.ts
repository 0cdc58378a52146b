/**
 * A stopped segment server's data as the server itself would serve it, without a server:
 *
 *     log, block by block ──> facts ──┐
 *     page store ─────────────────────┴──> SegmentServer, in memory ──ask(message)──> its answers
 *
 * The machine is the one that runs in production, so what it answers is what a started server would answer. What it wants persisted
 * stays in memory and is forgotten: a look changes nothing. It is never given the time, so it does no upkeep: it pulls nothing from
 * others, mends nothing, merges nothing, and shows what is really there.
 */
import { nodeName, pageId, type NodeName } from "@sixfold/model";
import { readLog, type Disk, type LogReport } from "@sixfold/ports";
import { SegmentServer, type Link } from "@sixfold/segment";
import { decodeRecords, logBlockCodec, type StorageMessage } from "@sixfold/wire";

/** A page store, read only. */
export interface StoredPages {
  get(page: number): Uint8Array | undefined;
  tail(page: number, bytesMax: number): Uint8Array | undefined;
  pages(from: number, limit: number): number[];
  count(): number;
  close(): Promise<void>;
}

/** What a segment server left. */
export interface StoredData {
  openDisk(name: string): Promise<Pick<Disk, "list" | "read"> | undefined>;
  /** Undefined if there is none. Rejects with the reason if it cannot be read. */
  openPageStore(name: string): Promise<StoredPages | undefined>;
  /** Bytes that they take on their medium. */
  diskUse(disk: string, pageStore: string): Promise<{ readonly log: number; readonly pages: number }>;
}

/** A server whose data cannot be used. */
export interface LostServer {
  readonly name: NodeName;
  readonly reason: string;
  readonly kind: "server-lost" | "page-store-damaged";
}

/** Where one stream stands in one segment. */
export interface StreamStanding {
  readonly stream: number;
  readonly scl: number;
  readonly decidedThrough: number;
}

/** As segment servers name them. */
export const LOG_DISK = "log";
export const PAGE_STORE = "pages";

const LINK: Link = 1;
/** No time passes. */
const NOW = 0;

export class StoredServer {
  readonly name: NodeName;
  readonly log: LogReport;
  readonly pages: StoredPages;
  private readonly machine: SegmentServer;
  private failed: string | undefined;

  private constructor(name: NodeName, log: LogReport, pages: StoredPages, machine: SegmentServer) {
    this.name = name;
    this.log = log;
    this.pages = pages;
    this.machine = machine;
  }

  /** Reads the whole log and boots the machine. What is wrong with the data is an answer, never thrown. */
  static async open(name: NodeName, data: StoredData): Promise<StoredServer | LostServer> {
    const disk = await data.openDisk(LOG_DISK);
    if (disk === undefined) return { name, kind: "server-lost", reason: "its data is gone" };
    const pages = await data.openPageStore(PAGE_STORE).catch(wordsOf);
    if (pages === undefined || typeof pages === "string") {
      const reason = `its page store cannot be read: ${pages ?? "it is gone"}`;
      return { name, kind: "page-store-damaged", reason };
    }
    const booted = await boot(name, disk, pages);
    if (typeof booted !== "string") return new StoredServer(name, booted.log, pages, booted.machine);
    await pages.close();
    return { name, kind: "server-lost", reason: booted };
  }

  /** What the machine answers to a database node: nothing any more once an assertion of it has failed, as if its process had ended. */
  ask(message: StorageMessage): StorageMessage[] {
    if (this.failed !== undefined) return [];
    try {
      this.machine.receive(LINK, message, NOW);
      return answersOf(this.machine);
    } catch (error) {
      this.failed = `${wordsOf(error)}, when asked to ${message.type}`;
      return [];
    }
  }

  /** Why the machine has stopped answering, if it has. */
  get failure(): string | undefined {
    return this.failed;
  }

  /** Streams of each of its segments. */
  standings(): ReadonlyMap<number, readonly StreamStanding[]> {
    const segments = this.machine.status()["segments"] as readonly {
      readonly pg: number;
      readonly streams: readonly StreamStanding[];
    }[];
    return new Map(segments.map(({ pg, streams }) => [pg, streams]));
  }

  async close(): Promise<void> {
    await this.pages.close();
  }
}

/** The machine as a start would have it, or in words why there can be none. */
async function boot(
  name: NodeName,
  disk: Pick<Disk, "list" | "read">,
  pages: StoredPages,
): Promise<{ readonly log: LogReport; readonly machine: SegmentServer } | string> {
  const machine = new SegmentServer({
    name,
    // Every page is read once, or twice: caching its image would only take memory.
    settings: { imageCacheBytes: 0 },
    pages: {
      get: (page) => pages.get(page),
      tail: (page, bytesMax) => pages.tail(page, bytesMax),
      pages: (from, limit) => pages.pages(from, limit).map(pageId),
      count: () => pages.count(),
    },
  });
  try {
    // A copy, for slices are views on what they were read from: one of them would keep the whole file in memory.
    const log = await readLog(disk, logBlockCodec, (payload, at) =>
      machine.recover(decodeRecords(payload.slice()), at.fileNumber),
    );
    if (log.state === "corrupt") {
      const { fileNumber, offset, reason } = log.corruption!;
      return `its log file ${fileNumber} is damaged at byte ${offset}: ${reason}`;
    }
    if (log.blocks === 0) return "its log is empty";
    machine.ready(NOW);
    machine.peerUp({ link: LINK, role: "node", name: nodeName("check") }, NOW);
    answersOf(machine);
    return { log, machine };
  } catch (error) {
    return `its log does not add up: ${wordsOf(error)}`;
  }
}

/** Everything it says, as if all it wants persisted were durable at once. */
function answersOf(machine: SegmentServer): StorageMessage[] {
  const said: StorageMessage[] = [];
  const effects = machine.effects.splice(0).reverse();
  for (let effect = effects.pop(); effect !== undefined; effect = effects.pop())
    if (effect.kind === "send") said.push(effect.message);
    else if (effect.kind === "persist") effects.push(...[...effect.then].reverse());
  return said;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

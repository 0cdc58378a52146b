/**
 * A stopped segment server's data as the server itself would serve it, without a server:
 *
 *     log, block by block ──> facts ──┐
 *     page store, surveyed ───────────┴──> SegmentServer, in memory ──ask(message)──> its answers
 *
 * The machine is the one that runs in production, so what it answers is what a started server would answer. What it wants persisted
 * stays in memory and is forgotten: a look changes nothing. It is never given the time, so it does no upkeep: it pulls nothing from
 * others, mends nothing, merges nothing, and shows what is really there.
 */
import { nodeName, pageId, type NodeName } from "@sixfold/model";
import { readLog, type Disk, type LogReport } from "@sixfold/ports";
import { SegmentServer, type Link } from "@sixfold/segment";
import { decodeRecords, logBlockCodec, type LogRecord, type StorageMessage } from "@sixfold/wire";

/** A page store, read only. */
export interface StoredPages {
  get(page: number): Uint8Array | undefined;
  pages(from: number, limit: number): number[];
  count(): number;
  close(): Promise<void>;
}

/** What a segment server left. */
export interface StoredData {
  openDisk(name: string): Promise<Disk | undefined>;
  openPageStore(name: string): Promise<StoredPages | undefined>;
  /** What keeps the page store from being read, if anything does. */
  surveyPageStore(name: string): Promise<string | undefined>;
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
    const lost = (reason: string, kind: LostServer["kind"] = "server-lost"): LostServer => ({
      name,
      reason,
      kind,
    });
    const log = await readBlocks(data).catch((error: unknown) => wordsOf(error));
    if (typeof log === "string") return lost(log);
    const fault = await data.surveyPageStore(PAGE_STORE);
    if (fault !== undefined) return lost(`its page store cannot be read: ${fault}`, "page-store-damaged");
    const pages = await data.openPageStore(PAGE_STORE);
    if (pages === undefined) return lost("its page store is gone", "page-store-damaged");
    try {
      return new StoredServer(name, log.report, pages, boot(name, log.blocks, pages));
    } catch (error) {
      await pages.close();
      return lost(`its log does not add up: ${wordsOf(error)}`);
    }
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

interface ReadLog {
  readonly report: LogReport;
  readonly blocks: readonly { readonly records: LogRecord[]; readonly file: number }[];
}

/** The log's records, or in words why the server cannot start from it. */
async function readBlocks(data: StoredData): Promise<ReadLog | string> {
  const disk = await data.openDisk(LOG_DISK);
  if (disk === undefined) return "its data is gone";
  const blocks: { readonly records: LogRecord[]; readonly file: number }[] = [];
  const report = await readLog(disk, logBlockCodec, (payload, at) => {
    blocks.push({ records: decodeRecords(payload), file: at.fileNumber });
  });
  await disk.close();
  if (report.state === "corrupt") {
    const { fileNumber, offset, reason } = report.corruption!;
    return `its log file ${fileNumber} is damaged at byte ${offset}: ${reason}`;
  }
  return report.blocks === 0 ? "its log is empty" : { report, blocks };
}

function boot(name: NodeName, blocks: ReadLog["blocks"], pages: StoredPages): SegmentServer {
  const machine = new SegmentServer({
    name,
    // Every page is read once, or twice: caching its image would only take memory.
    settings: { imageCacheBytes: 0 },
    pages: {
      get: (page) => pages.get(page),
      pages: (from, limit) => pages.pages(from, limit).map(pageId),
    },
  });
  for (const { records, file } of blocks) machine.recover(records, file);
  machine.ready(NOW);
  machine.peerUp({ link: LINK, role: "node", name: nodeName("check") }, NOW);
  answersOf(machine);
  return machine;
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

/**
 * Drives a `SegmentServer` on a host's ports.
 *
 *     frames of a turn ──> machine ──> persist effects ──> one log block (group commit) ──sync──> acks
 *                                 └──> page reads, gossip ──────────────────────────────────> at once
 *
 * What may be said only after a sync rides on the persist effect (`then`), so this driver cannot say
 * it early. After a failed write the log stops for good and so does the process's voice: it takes
 * nothing more (STYLE 20).
 */
import {
  LIMITS,
  NO_BUGS,
  nodeName,
  pageId,
  type NodeName,
  type PlantedBugs,
  type SegmentServerInfo,
  type Trace,
} from "@sixfold/model";
import {
  DiskFullError,
  logFileName,
  LogWriter,
  readLog,
  type Clock,
  type Disk,
  type Host,
  type Listener,
  type LogVisitor,
  type PageStore,
} from "@sixfold/ports";
import {
  DEFAULT_SETTINGS,
  LogSkim,
  SegmentServer,
  type SegmentEffect,
  type SegmentSettings,
} from "@sixfold/segment";
import { encodeRecords, logBlockCodec, volumeTagOf, type StorageMessage } from "@sixfold/wire";
import { checkListen, listenerHandlers, type AnyMessage, type Channel, type Identity } from "./channel.ts";
import { LinkCourier, type Courier, type CourierEvents, type CourierOptions } from "./courier.ts";
import { Diallers } from "./diallers.ts";
import { Heartbeats, type LivenessSettings } from "./heartbeats.ts";
import type { Journal } from "./journal.ts";
import { answerHttp } from "./http.ts";
import { LogRereader } from "./log-rereader.ts";
import { PagePaths } from "./page-paths.ts";
import { Turns } from "./turns.ts";

/**
 * Size of a log file. Large, so that rotation (a preallocation and a checkpoint) is rare beside what it holds, and what the largest frame
 * brings fits; no larger, for some five of them are on disk and all but one are read at a start.
 */
const LOG_FILE_BYTES = 40 << 20;
/** An append of more than this takes no further sender's records. A frame has at most 32 MiB. */
const APPEND_BYTES = 64 << 10;
const TICK_MS = 20;
/** More than any file has: a read ends with the file. */
const LOG_BYTES_MAX = 2 ** 32;
const STAYS_OUT =
  "This server stays out: emptied, under its old name, it would have forgotten its votes and fences. The others go on without it";

/** Where a block's payload stands. */
interface BlockAt {
  readonly file: number;
  readonly from: number;
  readonly bytes: number;
}

export interface SegmentHostOptions {
  readonly name: NodeName;
  readonly volume: string;
  readonly token: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** All six, this one included. */
  readonly servers: readonly SegmentServerInfo[];
  readonly latencyMsTo: (server: SegmentServerInfo) => number;
  readonly logFileBytes?: number;
  readonly settings?: Partial<SegmentSettings>;
  readonly liveness?: Partial<LivenessSettings> | undefined;
  /** What has pages copied beside all else; on this thread if none is given. */
  readonly courier?: (options: CourierOptions, events: CourierEvents) => Courier;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs | undefined;
  /** Hears each step of the protocol, durable ones once they are durable. */
  readonly trace?: Trace | undefined;
}

export interface RunningSegment {
  readonly url: string;
  readonly status: () => Record<string, unknown>;
  stop(): Promise<void>;
}

export async function startSegmentHost(
  host: Host,
  options: SegmentHostOptions,
  journal: Journal,
): Promise<RunningSegment> {
  checkListen(options.listen.host, options.token);
  const disk = await host.openDisk("log");
  const pages = await host.openPageStore("pages");
  const segment = new SegmentHost(host, options, journal, disk, pages);
  await segment.open();
  return segment;
}

class SegmentHost implements RunningSegment {
  url = "";
  private readonly host: Host;
  private readonly clock: Clock;
  private readonly options: SegmentHostOptions;
  private readonly journal: Journal;
  private readonly disk: Disk;
  private readonly pages: PageStore;
  private readonly paths: PagePaths;
  private readonly machine: SegmentServer;
  private readonly heartbeats: Heartbeats;
  private readonly channels = new Map<number, Channel>();
  private readonly numbers = new Map<Channel, number>();
  private diallers: Diallers | undefined;
  /** The others, as they were given, and those that came later, by name. */
  private readonly others = new Map<NodeName, SegmentServerInfo>();
  /** All that are known. */
  private readonly servers = new Map<NodeName, SegmentServerInfo>();
  private log: LogWriter | undefined;
  private listener: Listener | undefined;
  private nextLink = 1;
  private readonly turns: Turns;
  private stopped = false;
  /** What follows the persist that was appended last, while it is under way. */
  private lastPersist: SegmentEffect[] | undefined;
  private readonly rereader: LogRereader;
  /** No checkpoint before the log has this many bytes. */
  private checkpointFrom = 0;
  /** Why the disk takes no more, once it does not. */
  private failure: Error | undefined;

  constructor(host: Host, options: SegmentHostOptions, journal: Journal, disk: Disk, pages: PageStore) {
    this.host = host;
    this.clock = host.clock;
    this.turns = new Turns(host.clock, () => {
      this.carryOut(this.machine.effects.splice(0));
      return undefined;
    });
    this.options = options;
    this.journal = journal;
    this.disk = disk;
    this.pages = pages;
    this.heartbeats = new Heartbeats(options.liveness);
    this.paths = this.pagePaths();
    const scrubPassMs = options.settings?.scrubPassMs ?? DEFAULT_SETTINGS.scrubPassMs;
    this.rereader = new LogRereader(disk, scrubPassMs, journal);
    this.machine = new SegmentServer({
      name: options.name,
      settings: options.settings ?? {},
      planted: options.planted ?? NO_BUGS,
      traced: options.trace !== undefined,
      pages: {
        get: (page) => pages.get(page),
        tail: (page, bytesMax) => pages.tail(page, bytesMax),
        pages: (from, limit) => pages.pages(from, limit).map(pageId),
        count: () => pages.count(),
      },
    });
  }

  async open(): Promise<void> {
    await this.recover();
    const { listen, servers } = this.options;
    const { identity } = this;
    const events = {
      up: (channel: Channel) => this.up(channel),
      message: (channel: Channel, message: AnyMessage) => this.message(channel, message),
      down: (channel: Channel) => this.down(channel),
    };
    this.listener = await this.host.network.listen(
      {
        ...listen,
        maxFrameBytes: LIMITS.frameBytes,
        http: (request) => answerHttp(request, () => this.status()),
      },
      listenerHandlers(identity, events, this.journal, this.heartbeats),
    );
    this.url = this.listener.url;
    const { clock, journal, heartbeats } = this;
    const { network } = this.host;
    const { latencyMsTo } = this.options;
    const dialling = { clock, network, identity, latencyMsTo, journal, heartbeats };
    this.diallers = new Diallers({ ...dialling, eventsFor: () => events });
    this.meet(servers);
    this.tick();
  }

  private get identity(): Identity {
    const { name, volume, token } = this.options;
    return { role: "segment", name, volume, token };
  }

  private pagePaths(): PagePaths {
    const { clock, journal, identity, options, pages } = this;
    const { liveness, volume, latencyMsTo } = options;
    const begin = options.courier ?? ((o, events) => new LinkCourier(o, events));
    return new PagePaths({
      ...{ clock, journal, pages, latencyMsTo, volumeTag: volumeTagOf(volume) },
      server: (name) => this.servers.get(name),
      channel: (name) =>
        [...this.channels.values()].find(({ peer }) => peer?.role === "segment" && peer.name === name),
      courier: (events) => begin({ clock, network: this.host.network, identity, journal, liveness }, events),
      received: (channel, message) => this.message(channel, message),
    });
  }

  status(): Record<string, unknown> {
    const stats = this.log?.stats;
    return {
      role: "segment",
      ready: this.failure === undefined && !this.stopped,
      failure: this.failure?.message,
      log: stats === undefined ? {} : { ...stats },
      storedPages: this.pages.count(),
      disk: { logBytes: this.log?.diskBytes ?? 0, pageStoreBytes: this.pages.diskBytes() },
      links: [...this.channels.values()].map((channel) => channel.peer!.name),
      counters: this.journal.counts(),
      ...this.machine.status(),
    };
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.diallers?.stop();
    this.paths.stop();
    for (const channel of this.channels.values())
      channel.close("stopping", `${this.options.name} is stopping`);
    await this.listener?.close();
    await this.log?.close();
    await this.pages.close();
    await this.disk.close();
  }

  private async recover(): Promise<void> {
    const { planted } = this.options;
    const skim = new LogSkim();
    const blocks: BlockAt[] = [];
    const see: LogVisitor = (payload, { fileNumber, offset }) => {
      skim.see(payload);
      blocks.push({ file: fileNumber, from: offset + logBlockCodec.headerBytes, bytes: payload.byteLength });
    };
    const report = await readLog(this.disk, logBlockCodec, see, planted);
    if (report.state === "corrupt") {
      const { fileNumber, offset, reason } = report.corruption!;
      this.journal.say("error", "log-corrupt", { fileNumber, offset, reason });
      throw new Error(`log file ${fileNumber} is corrupt at byte ${offset}: ${reason}. ${STAYS_OUT}`);
    }
    if (report.state === "torn")
      this.journal.say("warn", "log-tail-cut", { ...report.end, tornBytes: report.tornBytes });
    await this.replay(skim, blocks);
    this.log = await LogWriter.open({
      disk: this.disk,
      codec: logBlockCodec,
      report,
      salt: this.host.entropy() >>> 0,
      fileBytes: this.options.logFileBytes ?? LOG_FILE_BYTES,
      onRotate: (file) => this.checkpoint(file),
      onFailure: (error) => this.failed(error),
      planted,
    });
    this.machine.ready(this.clock.nowMs());
    this.journal.say("info", "log-read", { blocks: report.blocks, files: report.files.length });
  }

  /** The log has been seen to be whole: what it still says goes into the machine. */
  private async replay(skim: LogSkim, blocks: readonly BlockAt[]): Promise<void> {
    let read: { file: number; bytes: Uint8Array } = { file: 0, bytes: new Uint8Array() };
    for (const [n, { file, from, bytes }] of blocks.entries()) {
      if (read.file !== file) {
        const name = logFileName(file);
        // The one before is let go first.
        read = { file, bytes: new Uint8Array() };
        read = { file, bytes: await this.disk.read(name, 0, LOG_BYTES_MAX) };
      }
      this.machine.recover(skim.records(read.bytes.subarray(from, from + bytes), n), file);
    }
    const [first] = blocks;
    const { neededFrom } = this.machine;
    if (first !== undefined && first.file > neededFrom) {
      this.journal.say("error", "log-file-missing", { first: first.file, needed: neededFrom });
      throw new Error(`log files ${neededFrom} to ${first.file - 1} are missing. ${STAYS_OUT}`);
    }
  }

  /** Of each pair of segment servers the earlier name dials. Some may have been started after this one. */
  private meet(servers: readonly SegmentServerInfo[]): void {
    for (const server of servers) {
      this.servers.set(server.name, server);
      if (server.name > this.options.name && !this.others.has(server.name))
        this.others.set(server.name, server);
    }
    this.diallers?.keep([...this.others.values()]);
  }

  // --- links ----------------------------------------------------------------------------------

  private up(channel: Channel): void {
    if (this.failure !== undefined) return channel.close(this.failureCode(), this.failure.message);
    const link = this.nextLink++;
    this.channels.set(link, channel);
    this.numbers.set(channel, link);
    const { role, name } = channel.peer!;
    if (role === "client")
      return channel.refuse("wrong-role", "clients talk to database nodes, this is a segment server");
    this.machine.peerUp({ link, role, name: nodeName(name) }, this.clock.nowMs());
    this.turns.soon();
  }

  private message(channel: Channel, message: AnyMessage): void {
    const link = this.numbers.get(channel);
    if (link === undefined || this.failure !== undefined) return;
    if (message.type === "manifestTold") this.meet(message.value.servers);
    this.paths.heard(channel, message as StorageMessage);
    this.machine.receive(link, message as StorageMessage, this.clock.nowMs());
    this.turns.soon();
  }

  private down(channel: Channel): void {
    const link = this.numbers.get(channel);
    if (link === undefined) return;
    this.numbers.delete(channel);
    this.channels.delete(link);
    this.machine.peerDown(link, this.clock.nowMs());
    this.turns.soon();
  }

  // --- turns ------------------------------------------------------------------------------------

  private tick(): void {
    if (this.stopped) return;
    this.heartbeats.tick(this.clock.nowMs());
    this.machine.tick(this.clock.nowMs());
    this.scrubLog(this.clock.nowMs());
    // Most ticks of a quiet server come to nothing.
    if (this.machine.effects.length > 0) this.turns.soon();
    this.clock.after(TICK_MS, () => this.tick());
  }

  private scrubLog(now: number): void {
    const { log } = this;
    if (log === undefined || this.failure !== undefined) return;
    this.rereader.tick(now, log, (file) => {
      if (this.stopped) return;
      this.machine.logDamaged(file);
      this.turns.soon();
    });
  }

  private carryOut(effects: readonly SegmentEffect[]): void {
    // What is not carried out before the end is as if the process had been killed: nobody has been told of it.
    if (this.failure !== undefined || this.stopped) return;
    let chunks: Uint8Array[] = [];
    let then: SegmentEffect[] = [];
    let bytes = 0;
    for (const effect of effects) {
      switch (effect.kind) {
        case "persist":
          // What many senders brought in one turn need not be one append: one must fit into a log file.
          if (bytes > APPEND_BYTES) {
            this.persist(chunks, then);
            [chunks, then, bytes] = [[], [], 0];
          }
          for (const chunk of encodeRecords(effect.records)) {
            chunks.push(chunk);
            bytes += chunk.byteLength;
          }
          then.push(...effect.then);
          break;
        case "send":
          this.send(effect);
          break;
        case "storePages":
          this.storePages(effect);
          break;
        case "readPages":
          this.readPages(effect);
          break;
        case "removePages":
          this.pages.remove(effect.pages, (error) => void (error !== undefined && this.failed(error)));
          break;
        case "trimLog":
          this.log?.removeBefore(effect.beforeFile);
          break;
        case "trace":
          this.options.trace?.(effect.event);
          break;
        case "log":
          this.journal.count(effect.event);
          this.journal.say(effect.level, effect.event, effect.fields);
          break;
        case "disconnect":
          this.channels.get(effect.link)?.refuse(effect.code, effect.reason);
          break;
      }
    }
    if (chunks.length > 0 || then.length > 0) this.persist(chunks, then);
  }

  /** Appends records to the log; `then`, which is kept and added to, follows once that is durable. Without records it follows what is under way already. */
  private persist(chunks: readonly Uint8Array[], then: SegmentEffect[]): void {
    const { log } = this;
    if (log === undefined) return;
    if (chunks.length === 0) {
      if (this.lastPersist === undefined) this.carryOut(then);
      else this.lastPersist.push(...then);
      return;
    }
    this.lastPersist = then;
    log.append(chunks, (error) => {
      if (this.lastPersist === then) this.lastPersist = undefined;
      if (error !== undefined) return;
      this.carryOut(then);
      if (this.machine.effects.length > 0) this.turns.soon();
    });
  }

  private send({ to, message }: Extract<SegmentEffect, { kind: "send" }>): void {
    const channel = this.channels.get(to);
    if (channel !== undefined) this.paths.send(channel, message);
  }

  private storePages(effect: Extract<SegmentEffect, { kind: "storePages" }>): void {
    this.pages.put(effect.pages, (error) => {
      if (error !== undefined) return this.failed(error);
      this.machine.pagesStored(effect.token, this.clock.nowMs());
      this.paths.stored(effect.pages);
      this.turns.soon();
    });
  }

  private readPages({ token, from, limit }: Extract<SegmentEffect, { kind: "readPages" }>): void {
    this.paths.read(from, limit, (pages) => {
      if (this.stopped) return;
      if (pages instanceof Error) return this.failed(pages);
      this.machine.pagesRead(token, pages, this.clock.nowMs());
      this.turns.soon();
    });
  }

  /**
   * One append for each part: none is large, however large the checkpoint. That may even be larger than a file, and so go on to the next,
   * which wants a checkpoint in turn: the next comes only once the log holds as much else again, or it would hold little else.
   */
  private checkpoint(file: number): void {
    const { log } = this;
    if (log === undefined || this.stopped || log.stats.bytes < this.checkpointFrom) return;
    this.checkpointFrom = Number.POSITIVE_INFINITY;
    const records = this.machine.checkpoint(file);
    let bytes = 0;
    let left = records.length;
    for (const record of records) {
      const chunks = encodeRecords([record]);
      for (const chunk of chunks) bytes += chunk.byteLength;
      log.append(chunks, () => {
        if (--left > 0) return;
        this.checkpointFrom = log.stats.bytes + bytes;
        this.turns.soon();
      });
    }
  }

  /**
   * The disk failed or is full: nothing that was not synced may ever be spoken of, so this server says why, closes
   * every link and takes no more (STYLE 20). Its health and status tell the reason; its peers go on (I7).
   */
  private failed(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.journal.say("error", this.failureCode(), { reason: error.message });
    for (const channel of [...this.channels.values()]) channel.close(this.failureCode(), error.message);
  }

  private failureCode(): string {
    return this.failure instanceof DiskFullError ? "disk-full" : "disk-failed";
  }
}

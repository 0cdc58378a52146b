/**
 * The check of a stopped cluster's data, from what its segment servers left to a report.
 *
 *     each server   log block by block, page store, the machine booted from both      stored-server
 *     manifest      read from four of its six seats; open streams recovered in memory  stored-cluster
 *     each PG       slices and chains, then every page, on all its segments            slice-check, page-check
 *     the volume    B+trees, catalog, and every allocated page accounted for           engine's checkVolume
 *
 * Nothing is opened for writing. Everything is looked at with the machines that run in production, so the verdict is on what a
 * start would make of the data, not on what the check believes of formats. It takes the memory of a cluster in one process.
 */
import { checkVolume, type VolumeReport } from "@sixfold/engine";
import {
  changeOf,
  FENCE_QUORUM,
  membersOf,
  nodeName,
  OWNED_QUORUM,
  pgId,
  pgOf,
  type Manifest,
  type NodeName,
  type PageId,
  type PgId,
} from "@sixfold/model";
import { Findings, type DataReport, type ServerReport, type VolumeSummary } from "./data-report.ts";
import { checkPages } from "./page-check.ts";
import { SliceCheck } from "./slice-check.ts";
import { newestSeen, StoredCluster } from "./stored-cluster.ts";
import { LOG_DISK, PAGE_STORE, StoredServer, type LostServer, type StoredData } from "./stored-server.ts";

export interface StoredOptions {
  /** What each segment server left, by its name. */
  readonly data: ReadonlyMap<string, StoredData>;
  /** What is going on, in words. */
  readonly progress?: ((text: string) => void) | undefined;
  /** Lets others have their turn; rejects to end the check early. */
  readonly breathe?: (() => Promise<void>) | undefined;
}

/** Others get their turn after so many pages: some milliseconds. */
const PAGES_A_TURN = 256;
const REPLICAS_WORD = "six";

/** Whatever is wrong with the data is in the report. */
export async function checkStored(options: StoredOptions): Promise<DataReport> {
  const check = new DataCheck(options);
  try {
    await check.open();
    return await check.run();
  } finally {
    await check.close();
  }
}

class DataCheck {
  private readonly options: StoredOptions;
  private readonly findings = new Findings();
  private readonly servers = new Map<NodeName, StoredServer>();
  private readonly lost = new Map<NodeName, LostServer>();
  /** Pages in use, per PG. */
  private readonly live = new Map<PgId, number>();
  private readonly damaged = new Map<NodeName, number>();
  private slices = 0;
  private pagesCompared = 0;

  constructor(options: StoredOptions) {
    this.options = options;
  }

  /** All at once: each waits for its disk, and for a process that reads its pages. */
  async open(): Promise<void> {
    const { data } = this.options;
    let read = 0;
    const opened = await Promise.all(
      [...data].map(async ([name, left]) => {
        const one = await StoredServer.open(nodeName(name), left);
        this.say(`reading segment servers: ${++read} of ${data.size}`);
        return one;
      }),
    );
    for (const one of opened)
      if (one instanceof StoredServer) this.servers.set(one.name, one);
      else this.lost.set(one.name, one);
    await this.breathe();
  }

  async run(): Promise<DataReport> {
    const seen = newestSeen(this.servers);
    if (seen !== undefined) this.missing(seen);
    const cluster = new StoredCluster(this.servers);
    const { manifest } = cluster;
    this.servers.forEach((server) => this.tornTail(server));
    if (manifest === undefined) {
      this.noManifest(seen);
      return this.report(seen, undefined);
    }
    this.lostServers(manifest);
    this.openStreams(cluster);
    for (const [pg] of manifest.pgs.entries()) await this.group(cluster, pgId(pg));
    const volume = await this.volume(cluster, manifest);
    this.servers.forEach((server) => this.failure(server));
    return this.report(manifest, volume);
  }

  async close(): Promise<void> {
    for (const server of this.servers.values()) await server.close();
  }

  // --- servers and manifest ---------------------------------------------------------------------

  /** Servers of the manifest without a directory, and directories of servers that are not in it. */
  private missing(manifest: Manifest): void {
    const members = new Set(manifest.servers.map(({ name }) => name));
    for (const name of members)
      if (!this.servers.has(name) && !this.lost.has(name))
        this.lost.set(name, { name, kind: "server-lost", reason: "its data is gone" });
    for (const name of [...this.servers.keys(), ...this.lost.keys()]) {
      if (members.has(name)) continue;
      const text = `${name} is no segment server of this volume; its directory was left out`;
      this.findings.add({ severity: "note", kind: "not-a-member", server: name, text });
      void this.servers.get(name)?.close();
      this.servers.delete(name);
      this.lost.delete(name);
    }
  }

  private lostServers(manifest: Manifest): void {
    for (const { name, kind, reason } of this.lost.values()) {
      if (isSpare(manifest, name)) continue;
      const pgs = manifest.pgs.filter((_, pg) => membersOf(manifest, pgId(pg)).includes(name)).length;
      const text = `${name}: ${reason}. It has to be replaced; others have what it kept of ${pgs} ${pgs === 1 ? "PG" : "PGs"}`;
      this.findings.add({ severity: "warning", kind, server: name, text });
    }
  }

  private tornTail({ name, log }: StoredServer): void {
    if (log.tornBytes === 0) return;
    const text = `${name}: the last write to its log did not come to its end (${log.tornBytes} bytes, at byte ${log.end.offset} of file ${log.end.fileNumber}); a start cuts it off, for nobody was told of it`;
    this.findings.add({ severity: "note", kind: "log-torn", server: name, text });
  }

  /** Its data made the machine stop: the server would stop, too, and only a defect brings such data about. */
  private failure({ name, failure }: StoredServer): void {
    if (failure === undefined) return;
    const text = `${name}: its data contradicts itself, and would stop it: ${failure}`;
    this.findings.add({ severity: "error", kind: "server-fails", server: name, text });
  }

  private noManifest(seen: Manifest | undefined): void {
    for (const { name, kind, reason } of this.lost.values())
      this.findings.add({ severity: "error", kind, server: name, text: `${name}: ${reason}` });
    // Servers that were started, and never met a database node.
    if (seen === undefined && this.lost.size === 0 && this.servers.size >= FENCE_QUORUM) return;
    const seats = seen?.seats ?? [...this.servers.keys(), ...this.lost.keys()];
    const left = seats.filter((name) => this.servers.has(name)).length;
    const text = `the manifest cannot be read: it takes ${FENCE_QUORUM} of its ${REPLICAS_WORD} seats, and ${left} ${left === 1 ? "is" : "are"} left`;
    this.findings.add({ severity: "error", kind: "manifest-unreadable", text });
  }

  private openStreams(cluster: StoredCluster): void {
    for (const id of cluster.opened) {
      const node = cluster.manifest!.streams.find((stream) => stream.id === id)!.node;
      const isLost = cluster.unrecovered.includes(id);
      const text = isLost
        ? `stream ${id} of ${node} was not closed, and cannot be recovered: that takes ${FENCE_QUORUM} of the ${REPLICAS_WORD} segments of each PG`
        : `stream ${id} of ${node} was not closed; a start recovers it, as was done here in memory`;
      this.findings.add({ severity: isLost ? "error" : "note", kind: "stream-open", text });
    }
  }

  // --- protection groups ------------------------------------------------------------------------

  private async group(cluster: StoredCluster, pg: PgId): Promise<void> {
    const { findings } = this;
    const manifest = cluster.manifest!;
    const change = changeOf(manifest, pg);
    if (change !== undefined) {
      const text = `PG ${pg} is on its way from ${manifest.pgs[pg]!.join(", ")} to ${change.to.join(", ")}; a start goes on with it`;
      findings.add({ severity: "note", kind: "members-change", pg, text });
    }
    // Newcomers copy from the others and answer nobody before they have done.
    const members = manifest.pgs[pg]!.flatMap((name) => this.servers.get(name) ?? []);
    if (members.length < FENCE_QUORUM) {
      const text = `PG ${pg}: ${members.length} of its ${REPLICAS_WORD} segments are left (${members.map(({ name }) => name).join(", ")}), and ${FENCE_QUORUM} are needed to write`;
      findings.add({ severity: "error", kind: "pg-unreadable", pg, text });
    }
    this.standings(cluster, pg, members);
    this.say(`PG ${pg}: comparing slices`);
    const slices = new SliceCheck(pg, findings);
    slices.compare(members);
    this.slices += slices.slices;
    await this.breathe();
    await this.pages(cluster, pg, members, slices.touched);
  }

  /**
   * Whatever a writer committed was durable on four segments (I1): one that lacks it was away, or has forgotten it since. What a recovery
   * committed may have been on two, and stands in the manifest until four have it.
   */
  private standings(cluster: StoredCluster, pg: PgId, members: readonly StoredServer[]): void {
    const { findings } = this;
    let whole = 0;
    for (const server of members) {
      const { name } = server;
      const lacking = cluster.lacks(server, pg);
      if (lacking.every(({ stream }) => cluster.isInDoubt(stream))) whole++;
      if (lacking.length > 0) {
        const where = lacking.map(({ stream, at, of }) => `at ${at} of ${of} in stream ${stream}`).join(", ");
        const text = `${name}: its segment of PG ${pg} is behind, ${where}; the others bring it there once it runs`;
        findings.add({ severity: "note", kind: "segment-behind", server: name, pg, text });
      }
    }
    const unheard = cluster.manifest!.pgs[pg]!.length - members.length;
    if (whole + unheard >= OWNED_QUORUM) return;
    const text = `PG ${pg}: ${whole} of its ${REPLICAS_WORD} segments have all that is committed, and ${OWNED_QUORUM} have had it: others were put back from older copies, or lost part of their logs`;
    findings.add({ severity: whole === 0 ? "error" : "warning", kind: "too-few-copies", pg, text });
  }

  private async pages(
    cluster: StoredCluster,
    pg: PgId,
    members: readonly StoredServer[],
    touched: ReadonlySet<PageId>,
  ): Promise<void> {
    let count = 0;
    const step = (page: PageId): Promise<void> | undefined => {
      if (++count % PAGES_A_TURN !== 0) return undefined;
      this.say(`PG ${pg}: comparing page ${page}`);
      return this.breathe();
    };
    const { findings } = this;
    const result = await checkPages({ cluster, pg, members, touched, findings, step });
    this.pagesCompared += result.compared;
    for (const [name, pages] of result.damaged)
      this.damaged.set(name, (this.damaged.get(name) ?? 0) + pages.length);
  }

  // --- the volume -------------------------------------------------------------------------------

  private async volume(cluster: StoredCluster, manifest: Manifest): Promise<VolumeSummary> {
    await this.breathe();
    let count = 0;
    const read = (page: PageId): Uint8Array | undefined => {
      if (++count % PAGES_A_TURN === 0) this.say(`trees: page ${page}`);
      const image = this.image(cluster, page);
      const pg = pgOf(manifest.geometry, page);
      if (image !== undefined) this.live.set(pg, (this.live.get(pg) ?? 0) + 1);
      return image;
    };
    const trees = this.trees(read);
    const { mode, revision, geometry, pgs } = manifest;
    const { tables, rows, allocated, reachable, free } = trees;
    const { slices, pagesCompared } = this;
    return {
      mode,
      revision,
      ...geometry,
      pgs: pgs.length,
      tables,
      rows,
      allocated,
      reachable,
      free,
      slices,
      pagesCompared,
    };
  }

  private trees(read: (page: PageId) => Uint8Array | undefined): VolumeReport {
    const { findings } = this;
    const say = (text: string): void => findings.add({ severity: "error", kind: "tree-damaged", text });
    try {
      const report = checkVolume(read);
      report.problems.forEach((text) => say(text));
      return report;
    } catch (error) {
      // A page of nonsense with a good checksum leads anywhere.
      say(`the trees cannot be walked: ${error instanceof Error ? error.message : String(error)}`);
      return { tables: 0, rows: 0, reachable: 0, allocated: 0, free: 0, problems: [] };
    }
  }

  /** From the first segment that has it whole. */
  private image(cluster: StoredCluster, page: PageId): Uint8Array | undefined {
    const pg = pgOf(cluster.manifest!.geometry, page);
    for (const name of cluster.manifest!.pgs[pg] ?? []) {
      const server = this.servers.get(name);
      const answer = server === undefined ? undefined : cluster.read(server, page);
      if (answer?.kind === "page") return answer.image;
    }
    return undefined;
  }

  // --- the report -------------------------------------------------------------------------------

  private async report(
    manifest: Manifest | undefined,
    volume: VolumeSummary | undefined,
  ): Promise<DataReport> {
    const names = [...new Set([...this.servers.keys(), ...this.lost.keys()])].sort();
    const servers: ServerReport[] = [];
    for (const name of names) servers.push(await this.serverReport(name, manifest));
    return { verdict: this.findings.verdict, servers, volume, findings: this.findings.all };
  }

  private async serverReport(name: NodeName, manifest: Manifest | undefined): Promise<ServerReport> {
    const server = this.servers.get(name);
    const use = await this.options.data.get(name)?.diskUse(LOG_DISK, PAGE_STORE);
    const damaged = this.damaged.get(name) ?? 0;
    const about = this.findings.all.filter((finding) => finding.server === name);
    const isDamaged = about.some(({ severity }) => severity !== "note");
    const isBehind = about.some(({ kind }) => kind === "segment-behind");
    const kept = isDamaged ? "damaged" : isBehind ? "behind" : "whole";
    const isOfNoUse = manifest !== undefined && isSpare(manifest, name);
    const state = isOfNoUse ? "spare" : server === undefined ? "lost" : kept;
    let livePages = 0;
    manifest?.pgs.forEach((_, pg) => {
      if (membersOf(manifest, pgId(pg)).includes(name)) livePages += this.live.get(pgId(pg)) ?? 0;
    });
    return {
      name,
      az: manifest?.servers.find((info) => info.name === name)?.az,
      state,
      logFiles: server?.log.files.length ?? 0,
      logBlocks: server?.log.blocks ?? 0,
      pagesStored: server?.pages.count() ?? 0,
      pagesDamaged: damaged,
      logBytes: use?.log ?? 0,
      pageStoreBytes: use?.pages ?? 0,
      liveBytes: livePages * (manifest?.geometry.pageBytes ?? 0),
    };
  }

  // --- shared -----------------------------------------------------------------------------------

  private say(text: string): void {
    this.options.progress?.(text);
  }

  private async breathe(): Promise<void> {
    await this.options.breathe?.();
  }
}

/** A member that keeps nothing: neither a segment nor the manifest. It may never have been written to. */
function isSpare(manifest: Manifest, name: NodeName): boolean {
  if (manifest.seats.includes(name) || manifest.nextSeats.includes(name)) return false;
  return manifest.pgs.every((_, pg) => !membersOf(manifest, pgId(pg)).includes(name));
}

/**
 * A cluster in this process on small files, so that logs rotate and are trimmed, and pages are merged, within some hundred rows;
 * written to, stopped, and then damaged by hand.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "@sixfold/client";
import {
  Journal,
  localTopology,
  startNodeHost,
  startSegmentHost,
  type RunningNode,
  type RunningSegment,
} from "@sixfold/cluster";
import { NodeHost } from "@sixfold/node-ports";
import type { SegmentSettings } from "@sixfold/segment";
import { basePort } from "../base-port.ts";

const PAGE_BYTES = 8192;
/** 64 pages: the smallest there is. */
const SEGMENT_BYTES = 64 * PAGE_BYTES;
const POLL_MS = 5;

export class TestCluster {
  readonly dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-check-"));
  private running: (RunningSegment | RunningNode)[] = [];
  private readonly spares: number;
  private readonly port = basePort();

  /** `spares`: segment servers beyond the six. */
  constructor(spares = 0) {
    this.spares = spares;
  }

  /** Starts it, or all of it but some segment servers, and gives clients the address of its writer. */
  async start(without: readonly string[] = [], changes: Partial<SegmentSettings> = {}): Promise<string> {
    const { servers, nodes, volume } = localTopology({
      volume: "volume",
      writers: 1,
      replicas: 0,
      spares: this.spares,
      nodePort: () => this.port,
      segmentPort: (index) => this.port + 20 + index,
    });
    const journal = new Journal(() => undefined);
    const common = { volume, token: "", servers, latencyMsTo: () => 0 };
    const listen = (url: string) => ({ host: "127.0.0.1", port: Number(new URL(url).port) });
    for (const { name, url } of servers) {
      if (without.includes(name)) continue;
      const host = new NodeHost(name, path.join(this.dataDir, name));
      const settings = { mergeAboveBytes: 16 << 10, retainBytesMax: 64 << 10, ...changes };
      const options = { ...common, name, listen: listen(url), logFileBytes: 128 << 10, settings };
      this.running.push(await startSegmentHost(host, options, journal));
    }
    const { name, url } = nodes[0]!;
    const writer = await startNodeHost(
      new NodeHost(name, this.dataDir),
      {
        ...{ ...common, name, nodes, listen: listen(url), role: "writer", mode: "multi", conflicts: "row" },
        geometry: { pageBytes: PAGE_BYTES, segmentBytes: SEGMENT_BYTES },
        ...{ poolPages: 1_000, injectConflicts: 0, procedures: new Map(), settings: {} },
      },
      journal,
    );
    this.running.push(writer);
    await this.until(() => writer.status()["ready"] === true);
    return url;
  }

  /** Rows of several hundred bytes, each written twice, a few deleted, in two tables of which one is dropped. */
  async write(url: string, rows: number): Promise<void> {
    const db = await connect([url]);
    for (const table of ["kept", "gone"]) {
      await db.createTable(table);
      for (let from = 0; from < rows; from += 20)
        for (const round of [0, 1])
          await db.transaction(async (tx) => {
            for (let row = from; row < from + 20; row++)
              if (round === 1 && row % 7 === 0) tx.delete(table, row);
              else tx.put(table, row, { round, text: String(row).repeat(100) });
          });
    }
    await db.put("kept", "large", "x".repeat(60_000));
    await db.dropTable("gone");
    await db.close();
  }

  /** The database node first, as `sixfold up` does. */
  async stop(): Promise<void> {
    for (const one of this.running.reverse()) await one.stop();
    this.running = [];
  }

  /** As if all processes died at once: only their disks are left. */
  async die(): Promise<void> {
    for (const one of this.running) await one.stop();
    this.running = [];
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }

  /** Every segment server says so. */
  async untilEach(said: (status: Record<string, unknown>) => boolean): Promise<void> {
    const segments = this.running.filter((one) => one.status()["role"] === "segment");
    await this.until(() => segments.every((one) => said(one.status())));
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  // --- its files ------------------------------------------------------------------------------

  /** Names, sizes and times of all files. */
  files(): string[] {
    const names = readdirSync(this.dataDir, { recursive: true, encoding: "utf8" }).sort();
    return names.map((name) => {
      const { size, mtimeMs, ctimeMs } = statSync(path.join(this.dataDir, name));
      return `${name} ${size} ${mtimeMs} ${ctimeMs}`;
    });
  }

  logFiles(server: string): string[] {
    const folder = path.join(this.dataDir, server, "log.disk");
    return readdirSync(folder)
      .sort()
      .map((name) => path.join(folder, name));
  }

  pageStore(server: string, file: "data" | "index"): string {
    return path.join(this.dataDir, server, "pages.pages", file);
  }
}

/** Changes a file in place; the function returned puts it back. */
export function change(file: string, edit: (bytes: Buffer) => void): () => void {
  const before = readFileSync(file);
  const bytes = Buffer.from(before);
  edit(bytes);
  writeFileSync(file, bytes);
  return () => writeFileSync(file, before);
}

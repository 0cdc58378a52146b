/**
 * The raw log as a benchmark runs it: six segment-server processes on this machine, and a `RawAppender` in this one.
 *
 * The processes are those of a cluster, with the same files and syncs; only the database node is missing.
 */
import { DEFAULT_PAGE_BYTES, DEFAULT_SEGMENT_BYTES, nodeName } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import type { ClusterEvent, ClusterNode } from "./cluster-api.ts";
import { Journal } from "./journal.ts";
import { startSegmentServers } from "./local-cluster.ts";
import { RawAppender } from "./raw-appender.ts";

export interface RawLogOptions {
  /** New or empty: the appender makes its volume. */
  readonly dataDir: string;
  /** Bytes that each record writes. */
  readonly recordBytes: number;
  /** Pages that the records are spread over. */
  readonly pages: number;
}

export interface RawLog {
  /** The segment servers. The writer is this process. */
  readonly nodes: readonly ClusterNode[];
  /** Bytes sent to segment servers so far. */
  readonly bytesSent: number;
  /** Appends one record; `done` when it is durable on four of six. */
  append(done: () => void): void;
  stop(): Promise<void>;
}

/** Ending the processes must not wait for a stream that does not close. */
const CLOSE_LIMIT_MS = 5_000;

export async function startRawLog(
  options: RawLogOptions,
  on: (event: ClusterEvent) => void = () => undefined,
): Promise<RawLog> {
  const death = new AbortController();
  const servers = await startSegmentServers(options.dataDir, (event) => {
    if (event.event === "exit") death.abort(new Error(`${event.name} died`));
    on(event);
  });
  const host = new NodeHost("raw", options.dataDir);
  const journal = new Journal((level, message, fields) =>
    on({ event: "log", level, name: "raw", message, fields }),
  );
  const raw = await RawAppender.open(
    host,
    {
      name: nodeName("raw"),
      volume: "volume",
      token: "",
      geometry: { pageBytes: DEFAULT_PAGE_BYTES, segmentBytes: DEFAULT_SEGMENT_BYTES },
      servers: servers.nodes.map(({ name, az, url }) => ({ name: nodeName(name), az, url })),
      recordBytes: options.recordBytes,
      pages: options.pages,
    },
    journal,
    death.signal,
  ).catch(async (error: unknown) => {
    await servers.stop();
    throw error;
  });
  return {
    nodes: servers.nodes,
    get bytesSent() {
      return raw.bytesSent;
    },
    append: (done) => raw.append(done),
    stop: async () => {
      await raw.close(CLOSE_LIMIT_MS);
      await servers.stop();
    },
  };
}

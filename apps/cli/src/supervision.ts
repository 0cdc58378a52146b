/** What other commands see of a cluster that `sixfold up` runs: its running file, kept up to date, and where it takes commands. */
import type { RunningCluster } from "@sixfold/cluster";
import { serveControl, type ControlServer } from "./control-server.ts";
import { removeRunningFile, writeRunningFile } from "./running-file.ts";

export class Supervision {
  private readonly dataDir: string;
  private cluster: RunningCluster | undefined;
  private server: ControlServer | undefined;
  /** One is written at a time. */
  private written: Promise<void> = Promise.resolve();

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async open(cluster: RunningCluster): Promise<void> {
    this.cluster = cluster;
    this.server = await serveControl(cluster, () => this.changed());
    await this.changed();
  }

  /** Its processes are others than before. */
  changed(): Promise<void> {
    const { cluster, server } = this;
    if (cluster === undefined || server === undefined) return Promise.resolve();
    const { control } = server;
    const write = (): Promise<void> => writeRunningFile(this.dataDir, { nodes: cluster.nodes, control });
    this.written = this.written.then(write, write);
    return this.written;
  }

  /** No more commands; `stop` ends the processes, and once they have ended nothing runs there. */
  async close(stop: () => Promise<void>): Promise<void> {
    await this.server?.close();
    this.server = undefined;
    await this.written.catch(() => undefined);
    await stop();
    await removeRunningFile(this.dataDir);
  }
}

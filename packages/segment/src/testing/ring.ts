import { nodeName } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import type { BenchSegment } from "./bench-segment.ts";

/** Carries messages among servers that see each other as segments on links 11, 12, ... */
export class Ring {
  readonly servers: BenchSegment[];
  tamper = (message: StorageMessage): StorageMessage => message;
  constructor(servers: readonly BenchSegment[]) {
    this.servers = [...servers];
    this.servers.forEach((_, i) => this.link(i));
  }
  link(i: number): void {
    this.servers.forEach((_, j) => {
      if (i !== j)
        this.servers[i]!.server.peerUp({ link: 11 + j, role: "segment", name: nodeName(`segment-${j}`) }, 0);
    });
  }
  run(rounds: number): void {
    for (let r = 0; r < rounds; r++)
      this.servers.forEach((s, i) => {
        this.carry(
          i,
          s
            .tick(100)
            .map((message, k, all) => ({ to: s.heard[s.heard.length - all.length + k]!.to, message })),
        );
      });
  }
  /** Carries what was said since each was heard of last. */
  deliver(): void {
    this.servers.forEach((s, i) => this.carry(i, s.heard.splice(0)));
  }
  private carry(from: number, messages: readonly { to: number; message: StorageMessage }[]): void {
    for (const { to, message } of messages) {
      const target = this.servers[to - 11];
      if (to < 11 || target === undefined) continue;
      const before = target.heard.length;
      target.say(11 + from, this.tamper(message));
      this.carry(to - 11, target.heard.slice(before));
    }
  }
}

/** One database node of the world: the production machine, its clients' links, and where its effects go. */
import { DatabaseNode, type NodeEffect, type NodeOptions } from "@sixfold/database";
import type { TraceEvent } from "@sixfold/model";
import type {
  ClientRequest,
  ClientResponses,
  ClientWelcome,
  Message,
  StorageMessage,
  Topology,
} from "@sixfold/wire";
import type { Channel } from "./links.ts";

export interface NodeIo {
  send(to: string, channel: Channel, message: Message): void;
  toClient(message: ClientResponses | ClientWelcome | Topology): void;
  say(line: string): void;
  step(event: TraceEvent): void;
}

/** Like `TICK_MS` of the cluster package. */
export const NODE_TICK_MS = 10;
/** The world has one client a node. */
const CLIENT = 1;

export class NodeProcess {
  readonly name: string;
  machine: DatabaseNode | undefined;
  private readonly options: NodeOptions;
  private readonly io: NodeIo;
  private starts = 0;

  constructor(options: NodeOptions, io: NodeIo) {
    this.name = options.name;
    this.options = options;
    this.io = io;
  }

  get isRunning(): boolean {
    return this.machine !== undefined;
  }

  start(now: number): void {
    // Every incarnation proposes under a name of its own: two values under one ballot would break the register.
    // Decisions leave at once: scripts show each frame where its cause is.
    this.machine = new DatabaseNode({
      ...this.options,
      seed: ++this.starts,
      volumeSettings: { decisionDelayMs: 0 },
      trace: (event) => this.io.step(event),
    });
    this.machine.start(now);
    this.machine.clientOpened(CLIENT, now);
  }

  stop(): void {
    this.machine = undefined;
  }

  request(requests: readonly ClientRequest[], now: number): void {
    this.machine?.clientRequests(CLIENT, requests, now);
  }

  linkUp(peer: string, isServer: boolean, now: number): void {
    if (isServer) this.machine?.serverUp(peer as never, now);
    else this.machine?.peerUp(peer as never, now);
  }

  linkDown(peer: string, isServer: boolean, now: number): void {
    if (isServer) this.machine?.serverDown(peer as never, now);
    else {
      this.machine?.peerDown(peer as never, now);
      this.machine?.followerGone(peer as never, now);
    }
  }

  receive(from: string, channel: Channel, message: StorageMessage, now: number): void {
    if (channel === "storage") this.machine?.serverMessage(from as never, message, now);
    else if (channel === "feed") this.machine?.peerMessage(from as never, message, now);
    else this.machine?.followerMessage(from as never, message, now);
  }

  tick(now: number): void {
    this.machine?.tick(now);
  }

  /** Ends a turn. */
  flush(now: number): void {
    const { machine } = this;
    if (machine === undefined) return;
    machine.flush(now);
    for (const effect of machine.effects.splice(0)) this.carryOut(effect);
  }

  private carryOut(effect: NodeEffect): void {
    switch (effect.kind) {
      case "append":
        for (const server of effect.servers) this.io.send(server, "storage", effect.message);
        for (const follower of effect.followers) this.io.send(follower, "feed", effect.message);
        return;
      case "toServer":
        return this.io.send(effect.to, "storage", effect.message);
      case "toPeer":
        return this.io.send(effect.to, "peer", effect.message);
      case "toFollower":
        return this.io.send(effect.to, "feed", effect.message);
      case "toClient":
        return this.io.toClient(effect.message);
      case "log":
        return this.io.say(`${this.name} says ${effect.event}${showFields(effect.fields)}`);
      case "stopped":
        return this.io.say(`${this.name} has stopped`);
      case "peers":
      case "servers":
        // Everybody is linked from the beginning.
        return;
    }
  }
}

function showFields(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined")}`,
    )
    .join("");
}

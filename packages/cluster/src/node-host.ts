/**
 * Drives a `DatabaseNode` on a host's ports: channels to the six segment servers and the other
 * nodes, a listener for clients and nodes, one tick, and a flush at the end of each turn.
 *
 * An append is encoded once and the same bytes are handed to six segment servers and every
 * follower. Of two nodes each dials the other: the link a node dialled is the one on which it
 * follows, so a feed and its questions have one direction.
 */
import {
  LIMITS,
  nodeName,
  type Mode,
  type NodeInfo,
  type NodeName,
  type SegmentServerInfo,
} from "@sixfold/model";
import { DatabaseNode, type HandoverAnswer, type NodeEffect, type NodeOptions } from "@sixfold/database";
import type { Clock, Host, Listener } from "@sixfold/ports";
import type { ReplaceAnswer } from "@sixfold/volume";
import { encodeMessage, volumeTagOf, type StorageMessage } from "@sixfold/wire";
import {
  checkListen,
  listenerHandlers,
  type AnyMessage,
  type Channel,
  type ChannelEvents,
  type Identity,
} from "./channel.ts";
import { Diallers, type Target } from "./diallers.ts";
import { Followers } from "./followers.ts";
import { Heartbeats, type LivenessSettings } from "./heartbeats.ts";
import { answerHttp } from "./http.ts";
import type { Journal } from "./journal.ts";
import { nodeCommands } from "./node-commands.ts";
import { Turns } from "./turns.ts";

const TICK_MS = 10;

export interface NodeHostOptions extends Omit<NodeOptions, "seed"> {
  readonly token: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly servers: readonly SegmentServerInfo[];
  readonly nodes: readonly NodeInfo[];
  /** One-way delay to a process in another availability zone. */
  readonly latencyMsTo: (process: Target) => number;
  readonly liveness?: Partial<LivenessSettings> | undefined;
  /** What may wait for a node that follows this one, before its feed breaks off. */
  readonly feedBufferBytes?: number | undefined;
}

export interface RunningNode {
  readonly url: string;
  readonly status: () => Record<string, unknown>;
  /** Planned failover, at the present writer: settled when another node writes, or nothing was done. */
  failOver(to?: string): Promise<HandoverAnswer>;
  /** Has the volume moved to this mode: settled when the wish is in the manifest; false: there is no volume yet. */
  switchMode(mode: Mode): Promise<boolean>;
  /** Has what `leaving` keeps moved to other segment servers; settled when that has begun, or was refused. */
  replace(leaving: string, joining?: string): Promise<ReplaceAnswer>;
  /** Closes its stream and leaves the cluster's list: it is not expected back. */
  retire(): Promise<void>;
  /** Strikes off another node that has gone without leaving. */
  strikeOff(name: string): Promise<void>;
  /** Makes a new segment server known to the volume. */
  addServer(server: SegmentServerInfo): Promise<void>;
  stop(): Promise<void>;
  /** Settled when it has ended: asked to, or because others have struck it off. */
  readonly ended: Promise<void>;
}

export async function startNodeHost(
  host: Host,
  options: NodeHostOptions,
  journal: Journal,
): Promise<RunningNode> {
  checkListen(options.listen.host, options.token);
  const node = new NodeHost(host, options, journal);
  await node.open();
  return node;
}

class NodeHost implements RunningNode {
  url = "";
  readonly name: NodeName;
  readonly ended: Promise<void>;
  private readonly host: Host;
  private readonly clock: Clock;
  private readonly options: NodeHostOptions;
  private readonly journal: Journal;
  private readonly machine: DatabaseNode;
  private readonly identity: Identity;
  private readonly commands = nodeCommands(this);
  private readonly tag: number;
  private readonly heartbeats: Heartbeats;
  private readonly servers: Diallers;
  private readonly peers: Diallers;
  /** On channels that they dialled. */
  private readonly followers: Followers;
  private readonly clients = new Map<number, Channel>();
  private readonly clientNumbers = new Map<Channel, number>();
  private readonly traffic = { framesSent: 0, bytesSent: 0, appends: 0, slices: 0 };
  private listener: Listener | undefined;
  private nextClient = 1;
  private readonly turns: Turns;
  private stopped = false;
  private isEnding = false;
  private onEnded: () => void = () => undefined;

  constructor(host: Host, options: NodeHostOptions, journal: Journal) {
    this.host = host;
    this.clock = host.clock;
    this.turns = new Turns(host.clock, () => this.turn());
    this.options = options;
    this.journal = journal;
    const { name, volume, token } = options;
    this.name = name;
    this.identity = { role: "node", name, volume, token };
    this.tag = volumeTagOf(volume);
    this.ended = new Promise((resolve) => {
      this.onEnded = resolve;
    });
    this.heartbeats = new Heartbeats(options.liveness);
    const following = {
      journal,
      dropped: (name: NodeName) => this.input((now) => this.machine.followerGone(name, now)),
      resumed: (name: NodeName) => this.heard(name, { type: "follow", node: name }),
    };
    this.followers = new Followers(following, options.feedBufferBytes);
    this.machine = new DatabaseNode({ ...options, seed: host.entropy() });
    const { clock, heartbeats } = this;
    const { latencyMsTo } = options;
    const dialling = {
      ...{ clock, network: host.network, identity: this.identity, journal, heartbeats, latencyMsTo },
    };
    this.servers = new Diallers({ ...dialling, eventsFor: (name) => this.serverEvents(name) });
    this.peers = new Diallers({ ...dialling, eventsFor: (name) => this.peerEvents(name) });
  }

  async open(): Promise<void> {
    const { name, listen, servers, nodes } = this.options;
    this.listener = await this.host.network.listen(
      {
        ...listen,
        maxFrameBytes: LIMITS.frameBytes,
        http: (request) => answerHttp(request, () => this.status(), this.commands),
      },
      listenerHandlers(
        this.identity,
        { up: (c) => this.accepted(c), message: (c, m) => this.received(c, m), down: (c) => this.left(c) },
        this.journal,
        this.heartbeats,
      ),
    );
    this.url = this.listener.url;
    this.servers.keep(servers);
    this.peers.keep(nodes.filter((peer) => peer.name !== name));
    this.machine.start(this.clock.nowMs());
    this.tick();
  }

  status(): Record<string, unknown> {
    return {
      ...this.machine.status(),
      links: [...this.servers.linked, ...this.peers.linked],
      traffic: { ...this.traffic },
      counters: this.journal.counts(),
    };
  }

  failOver(to?: string): Promise<HandoverAnswer> {
    return new Promise((resolve) => {
      const successor = to === undefined ? undefined : nodeName(to);
      this.input((now) => this.machine.life.handOver(successor, resolve, now));
    });
  }

  switchMode(mode: Mode): Promise<boolean> {
    return new Promise((resolve) => {
      this.input((now) => this.machine.volume.wantMode(mode, resolve, now));
    });
  }

  replace(leaving: string, joining?: string): Promise<ReplaceAnswer> {
    return new Promise((resolve) => {
      const to = joining === undefined ? undefined : nodeName(joining);
      this.input((now) => this.machine.volume.replaceServer(nodeName(leaving), to, resolve, now));
    });
  }

  strikeOff(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.input((now) => this.machine.strikeOff(nodeName(name), resolve, now));
    });
  }

  addServer(server: SegmentServerInfo): Promise<void> {
    return new Promise((resolve) => {
      this.input((now) => this.machine.volume.nodes.addServer(server, () => resolve(), now));
    });
  }

  stop(): Promise<void> {
    return this.end((now) => this.machine.stop(now));
  }

  retire(): Promise<void> {
    return this.end((now) => this.machine.retire(now));
  }

  private end(how: (now: number) => void): Promise<void> {
    if (!this.isEnding) {
      this.isEnding = true;
      this.input(how);
      // Storage out of reach must not keep a process alive: its stream is then closed by the next to open one.
      this.clock.after(STOP_LIMIT_MS, () => void this.shutDown());
    }
    return this.ended;
  }

  /** The machine has nothing more to do. */
  private async shutDown(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.servers.stop();
    this.peers.stop();
    for (const channel of [...this.clients.values(), ...this.followers.channels()])
      channel.close("stopping", `${this.options.name} is stopping`);
    await this.listener?.close();
    this.onEnded();
  }

  // --- links ----------------------------------------------------------------------------------

  private serverEvents(server: NodeName): ChannelEvents {
    return {
      up: () => this.input((now) => this.machine.serverUp(server, now)),
      message: (_channel, message) =>
        this.input((now) => this.machine.serverMessage(server, message as StorageMessage, now)),
      down: () => this.input((now) => this.machine.serverDown(server, now)),
    };
  }

  private peerEvents(peer: NodeName): ChannelEvents {
    return {
      up: () => this.input((now) => this.machine.peerUp(peer, now)),
      message: (_channel, message) =>
        this.input((now) => this.machine.peerMessage(peer, message as StorageMessage, now)),
      down: (_channel, _reason, silentMs) => this.input((now) => this.machine.peerDown(peer, now, silentMs)),
    };
  }

  private accepted(channel: Channel): void {
    const { role, name } = channel.peer!;
    if (role === "segment" || role === "copier")
      return channel.refuse("wrong-role", "segment servers do not dial database nodes");
    if (role === "node") {
      this.followers.joined(nodeName(name), channel);
      return;
    }
    const link = this.nextClient++;
    this.clients.set(link, channel);
    this.clientNumbers.set(channel, link);
    this.input((now) => this.machine.clientOpened(link, now));
  }

  private received(channel: Channel, message: AnyMessage): void {
    const link = this.clientNumbers.get(channel);
    if (link !== undefined) {
      if (message.type !== "requests")
        return channel.refuse("wrong-role", `a client does not send ${message.type}`);
      return this.input((now) => this.machine.clientRequests(link, message.requests, now));
    }
    this.heard(nodeName(channel.peer!.name), message as StorageMessage);
  }

  private left(channel: Channel): void {
    const link = this.clientNumbers.get(channel);
    if (link !== undefined) {
      this.clientNumbers.delete(channel);
      this.clients.delete(link);
      return this.input((now) => this.machine.clientClosed(link, now));
    }
    const peer = channel.peer;
    if (peer?.role !== "node" || !this.followers.left(nodeName(peer.name), channel)) return;
    this.input((now) => this.machine.followerGone(nodeName(peer.name), now));
  }

  private heard(follower: NodeName, message: StorageMessage): void {
    if (this.followers.hears(follower, message))
      this.input((now) => this.machine.followerMessage(follower, message, now));
  }

  // --- turns ------------------------------------------------------------------------------------

  private input(feed: (now: number) => void): void {
    if (this.stopped) return;
    feed(this.clock.nowMs());
    this.turns.soon();
  }

  private tick(): void {
    if (this.stopped) return;
    this.heartbeats.tick(this.clock.nowMs());
    this.followers.tick();
    this.input((now) => this.machine.tick(now));
    this.clock.after(TICK_MS, () => this.tick());
  }

  private turn(): number | undefined {
    this.machine.flush(this.clock.nowMs());
    for (const effect of this.machine.effects.splice(0)) this.carryOut(effect);
    return this.machine.dueAt;
  }

  private carryOut(effect: NodeEffect): void {
    switch (effect.kind) {
      case "append":
        return this.append(effect);
      case "toServer":
        return this.servers.up(effect.to)?.send(effect.message);
      case "toPeer":
        return this.peers.up(effect.to)?.send(effect.message);
      case "toFollower":
        return this.followers.send(effect.to, effect.message);
      case "toClient":
        return this.clients.get(effect.link)?.send(effect.message);
      case "log":
        this.journal.count(effect.event);
        return this.journal.say(effect.level, effect.event, effect.fields);
      case "peers":
        return this.peers.keep(effect.nodes);
      case "servers":
        return this.servers.keep(effect.servers);
      case "stopped":
        return void this.shutDown();
    }
  }

  private append({ servers, followers, message }: Extract<NodeEffect, { kind: "append" }>): void {
    const frame = encodeMessage(message, this.tag);
    for (const server of servers) this.sendFrame(this.servers.up(server), frame);
    for (const follower of followers) if (this.followers.feed(follower, frame)) this.counted(frame);
    this.traffic.appends++;
    this.traffic.slices += message.slices.length;
  }

  private sendFrame(channel: Channel | undefined, frame: Uint8Array): void {
    if (channel === undefined) return;
    channel.sendFrame(frame);
    this.counted(frame);
  }

  private counted(frame: Uint8Array): void {
    this.traffic.framesSent++;
    this.traffic.bytesSent += frame.length;
  }
}

const STOP_LIMIT_MS = 5000;

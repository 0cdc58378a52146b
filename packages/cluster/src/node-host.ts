/**
 * Drives a `DatabaseNode` on a host's ports: channels to the six segment servers and the other
 * nodes, a listener for clients and nodes, one tick, and a flush at the end of each turn.
 *
 * An append is encoded once and the same bytes are handed to six segment servers and every
 * follower. Of two nodes each dials the other: the link a node dialled is the one on which it
 * follows, so a feed and its questions have one direction.
 */
import { LIMITS, nodeName, type NodeInfo, type NodeName, type SegmentServerInfo } from "@sixfold/model";
import { DatabaseNode, type NodeEffect, type NodeOptions } from "@sixfold/database";
import type { Clock, Host, HttpAnswer, HttpRequest, Listener } from "@sixfold/ports";
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
import { Dialler } from "./dialler.ts";
import { Heartbeats, type LivenessSettings } from "./heartbeats.ts";
import { answerHttp } from "./http.ts";
import type { Journal } from "./journal.ts";

const TICK_MS = 10;

export interface NodeHostOptions extends Omit<NodeOptions, "seed"> {
  readonly token: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly servers: readonly SegmentServerInfo[];
  readonly nodes: readonly NodeInfo[];
  /** One-way delay to a process in another availability zone. */
  readonly latencyMsTo: (process: NodeName) => number;
  readonly liveness?: Partial<LivenessSettings> | undefined;
}

export interface RunningNode {
  readonly url: string;
  readonly status: () => Record<string, unknown>;
  /** Has what `leaving` keeps moved to other segment servers; settled when that has begun, or was refused. */
  replace(leaving: string, joining?: string): Promise<ReplaceAnswer>;
  stop(): Promise<void>;
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
  private readonly host: Host;
  private readonly clock: Clock;
  private readonly options: NodeHostOptions;
  private readonly journal: Journal;
  private readonly machine: DatabaseNode;
  private readonly tag: number;
  private readonly heartbeats: Heartbeats;
  private readonly servers = new Map<NodeName, Dialler>();
  private readonly peers = new Map<NodeName, Dialler>();
  /** Channels that other nodes dialled, on which they follow this one. */
  private readonly followers = new Map<NodeName, Channel>();
  private readonly clients = new Map<number, Channel>();
  private readonly clientNumbers = new Map<Channel, number>();
  private readonly traffic = { framesSent: 0, bytesSent: 0, appends: 0, slices: 0 };
  private listener: Listener | undefined;
  private nextClient = 1;
  private turnDue = false;
  private stopped = false;
  private onStopped: (() => void) | undefined;

  constructor(host: Host, options: NodeHostOptions, journal: Journal) {
    this.host = host;
    this.clock = host.clock;
    this.options = options;
    this.journal = journal;
    this.tag = volumeTagOf(options.volume);
    this.heartbeats = new Heartbeats(options.liveness);
    this.machine = new DatabaseNode({ ...options, seed: host.entropy() });
  }

  async open(): Promise<void> {
    const { name, volume, token, listen, servers, nodes, latencyMsTo } = this.options;
    const identity: Identity = { role: "node", name, volume, token };
    this.listener = await this.host.network.listen(
      { ...listen, maxFrameBytes: LIMITS.frameBytes, http: (request) => this.answerHttp(request) },
      listenerHandlers(
        identity,
        { up: (c) => this.accepted(c), message: (c, m) => this.received(c, m), down: (c) => this.left(c) },
        this.journal,
        this.heartbeats,
      ),
    );
    this.url = this.listener.url;
    const dial = (to: NodeName, url: string, events: ChannelEvents): Dialler =>
      new Dialler({
        clock: this.clock,
        network: this.host.network,
        identity,
        url,
        latencyMs: latencyMsTo(to),
        journal: this.journal,
        heartbeats: this.heartbeats,
        events,
      });
    for (const server of servers)
      this.servers.set(server.name, dial(server.name, server.url, this.serverEvents(server.name)));
    for (const peer of nodes)
      if (peer.name !== name)
        this.peers.set(peer.name, dial(peer.name, peer.url, this.peerEvents(peer.name)));
    this.machine.start(this.clock.nowMs());
    this.tick();
  }

  status(): Record<string, unknown> {
    const linked = [...this.servers, ...this.peers].filter(([, dialler]) => dialler.up !== undefined);
    return {
      ...this.machine.status(),
      links: linked.map(([name]) => name),
      traffic: { ...this.traffic },
      counters: this.journal.counts(),
    };
  }

  replace(leaving: string, joining?: string): Promise<ReplaceAnswer> {
    return new Promise((resolve) => {
      const to = joining === undefined ? undefined : nodeName(joining);
      this.input((now) => this.machine.volume.replaceServer(nodeName(leaving), to, resolve, now));
    });
  }

  private answerHttp(request: HttpRequest): HttpAnswer | Promise<HttpAnswer> | undefined {
    return answerHttp(
      request,
      () => this.status(),
      (leaving, joining) => this.replace(leaving, joining),
    );
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    const closed = new Promise<void>((resolve) => {
      this.onStopped = resolve;
      // Storage out of reach must not keep a process alive: its stream is then closed by the next to open one.
      this.clock.after(STOP_LIMIT_MS, resolve);
    });
    this.machine.stop(this.clock.nowMs());
    this.turn();
    await closed;
    this.stopped = true;
    for (const dialler of [...this.servers.values(), ...this.peers.values()]) dialler.stop();
    for (const channel of [...this.clients.values(), ...this.followers.values()])
      channel.close("stopping", `${this.options.name} is stopping`);
    await this.listener?.close();
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
    if (role === "segment") return channel.refuse("wrong-role", "segment servers do not dial database nodes");
    if (role === "node") {
      this.followers.set(nodeName(name), channel);
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
    const follower = nodeName(channel.peer!.name);
    this.input((now) => this.machine.followerMessage(follower, message as StorageMessage, now));
  }

  private left(channel: Channel): void {
    const link = this.clientNumbers.get(channel);
    if (link !== undefined) {
      this.clientNumbers.delete(channel);
      this.clients.delete(link);
      return this.input((now) => this.machine.clientClosed(link, now));
    }
    const peer = channel.peer;
    if (peer?.role !== "node" || this.followers.get(nodeName(peer.name)) !== channel) return;
    this.followers.delete(nodeName(peer.name));
    this.input((now) => this.machine.followerGone(nodeName(peer.name), now));
  }

  // --- turns ------------------------------------------------------------------------------------

  private input(feed: (now: number) => void): void {
    if (this.stopped) return;
    feed(this.clock.nowMs());
    this.turn();
  }

  private tick(): void {
    if (this.stopped) return;
    this.heartbeats.tick(this.clock.nowMs());
    this.input((now) => this.machine.tick(now));
    this.clock.after(TICK_MS, () => this.tick());
  }

  private turn(): void {
    if (this.turnDue) return;
    this.turnDue = true;
    this.clock.soon(() => {
      this.turnDue = false;
      this.machine.flush(this.clock.nowMs());
      const effects = this.machine.effects.splice(0);
      for (const effect of effects) this.carryOut(effect);
    });
  }

  private carryOut(effect: NodeEffect): void {
    switch (effect.kind) {
      case "append":
        return this.append(effect);
      case "toServer":
        return this.servers.get(effect.to)?.up?.send(effect.message);
      case "toPeer":
        return this.peers.get(effect.to)?.up?.send(effect.message);
      case "toFollower":
        return this.followers.get(effect.to)?.send(effect.message);
      case "toClient":
        return this.clients.get(effect.link)?.send(effect.message);
      case "log":
        this.journal.count(effect.event);
        return this.journal.say(effect.level, effect.event, effect.fields);
      case "stopped":
        return this.onStopped?.();
    }
  }

  private append({ servers, followers, message }: Extract<NodeEffect, { kind: "append" }>): void {
    const frame = encodeMessage(message, this.tag);
    for (const server of servers) this.sendFrame(this.servers.get(server)?.up, frame);
    for (const follower of followers) this.sendFrame(this.followers.get(follower), frame);
    this.traffic.appends++;
    this.traffic.slices += message.slices.length;
  }

  private sendFrame(channel: Channel | undefined, frame: Uint8Array): void {
    if (channel === undefined) return;
    channel.sendFrame(frame);
    this.traffic.framesSent++;
    this.traffic.bytesSent += frame.length;
  }
}

const STOP_LIMIT_MS = 5000;

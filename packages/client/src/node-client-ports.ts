/**
 * The SDK's ports on Node.js: timers, random bytes, and the connecting side of `Network` on WebSockets (ws 8).
 *
 * `node-ports` has the full set for servers; the SDK carries its own small one so that a program that only uses a
 * database installs neither a page store nor a disk.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, ConnectOptions, Link, LinkHandlers, Timer } from "@sixfold/ports";
import { WebSocket, type ClientOptions } from "ws";
import type { CallbackScope, ClientPorts } from "./client-ports.ts";

/** A close frame's reason: a control frame's 125 bytes less 2 of code (RFC 6455, section 5.5). */
const REASON_BYTES_MAX = 123;
/** How long a node may take to answer a close before the connection is cut. */
const CLOSE_TIMEOUT_MS = 2000;
const POOL_BYTES = 4096;

export function nodeClientPorts(): ClientPorts {
  return {
    network: { connect: (url, options, handlers) => new ClientLink(url, options, handlers) },
    clock: nodeClock,
    randomBytes,
    scope,
  };
}

/** One for all clients: Node.js keeps each for ever. */
const scope: CallbackScope = new AsyncLocalStorage<object>();

const nodeClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, Math.max(0, Math.ceil(delayMs)));
    return { cancel: () => clearTimeout(timer) };
  },
  soon(run: () => void): void {
    setImmediate(run);
  },
};

const randomPool = new Uint8Array(POOL_BYTES);
let randomLeft = 0;

/** Asking the system for a few bytes at a time would cost more than a transaction. */
function randomBytes(n: number): Uint8Array {
  if (n > POOL_BYTES) return randomFillSync(new Uint8Array(n));
  if (n > randomLeft) {
    randomFillSync(randomPool);
    randomLeft = POOL_BYTES;
  }
  randomLeft -= n;
  return randomPool.slice(randomLeft, randomLeft + n);
}

class ClientLink implements Link {
  readonly remote: string;
  private readonly webSocket: WebSocket;
  private queue: Uint8Array[] = [];
  private state: "connecting" | "open" | "closing" | "closed" = "connecting";
  private reason: string | undefined;

  constructor(url: string, options: ConnectOptions, handlers: LinkHandlers) {
    this.remote = url;
    const clientOptions: ClientOptions & { skipUTF8Validation: boolean; closeTimeout: number } = {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      maxPayload: options.maxFrameBytes,
      handshakeTimeout: options.timeoutMs,
      closeTimeout: CLOSE_TIMEOUT_MS,
    };
    // ws hands in four zero bytes, and leaves out the masking if they stay so.
    if (options.trusted) clientOptions.generateMask = () => undefined;
    const webSocket = (this.webSocket = new WebSocket(url, clientOptions));
    webSocket.binaryType = "nodebuffer";
    webSocket.on("open", () => {
      if (this.state !== "connecting") return;
      this.state = "open";
      handlers.open?.(this);
      const queue = this.queue;
      this.queue = [];
      for (const frame of queue) this.send(frame);
    });
    webSocket.on("message", (data, isBinary) => {
      if (this.state === "open" && isBinary) handlers.frame(this, data as Buffer);
    });
    webSocket.on("error", (error) => (this.reason ??= error.message));
    webSocket.on("close", (code, said) => {
      this.state = "closed";
      this.queue = [];
      handlers.closed(
        this,
        this.reason ?? (said.length > 0 ? said.toString() : code === 1006 ? "connection lost" : "closed"),
      );
    });
  }

  get bufferedBytes(): number {
    return this.state === "open" ? this.webSocket.bufferedAmount : 0;
  }

  send(frame: Uint8Array): void {
    if (this.state === "open") this.webSocket.send(frame);
    else if (this.state === "connecting") this.queue.push(frame);
  }

  close(reason = "closed"): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.reason ??= reason;
    const wasOpen = this.state === "open";
    this.state = "closing";
    if (wasOpen)
      this.webSocket.close(1000, Buffer.from(reason).subarray(0, REASON_BYTES_MAX).toString("latin1"));
    else this.webSocket.terminate();
  }
}

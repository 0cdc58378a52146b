/**
 * One WebSocket as a Link, on either side.
 *
 * Sends of one turn become one write: the socket is corked at the first send and uncorked in `process.nextTick`,
 * that is after the callback that sent (measured: see README). Masking: see `ConnectOptions.trusted`.
 *
 * States: connecting (sends queue) -> open -> closing -> closed; `closing` still writes what was sent, reads nothing.
 */
import type { Socket } from "node:net";
import type { Link, LinkHandlers } from "@sixfold/ports";
import { highMarkBytes, lowMarkBytes } from "@sixfold/ports";
import type { FramesAside } from "./frames-aside.ts";
import type { RawData, WebSocket } from "ws";

/** How long a peer may take to answer a close before the connection is cut. */
export const closeTimeoutMs = 2000;

/** A close frame's reason: a control frame's 125 bytes less 2 of code (RFC 6455, section 5.5). */
const reasonBytesMax = 123;

/** A frame's header at most: 2 bytes, 8 of length, 4 of mask. Counted by `bufferedBytes` like the frame itself. */
const headerBytesMax = 14;

/** Codes of RFC 6455, section 7.4.1, for closes that carry no reason of their own. */
const codeReasons = new Map([
  [1000, "closed"],
  [1001, "going away"],
  [1003, "text frames are not taken"],
  [1005, "closed"],
  [1006, "connection lost"],
  [1009, "frame too large"],
]);

type State = "connecting" | "open" | "closing" | "closed";

export class WebSocketLink implements Link {
  readonly remote: string;
  readonly #webSocket: WebSocket;
  readonly #handlers: LinkHandlers;
  readonly #aside: FramesAside | undefined;
  #socket: Socket | undefined;
  #state: State = "connecting";
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #corked = false;
  /** `bufferedBytes` has been above the high mark and not yet come down to the low one. */
  #aboveHigh = false;
  /** Why this side closed or failed; outranks what the close frame says. */
  #reason: string | undefined;

  /** `aside`: what the WebSocket hands on as empty frames. */
  constructor(webSocket: WebSocket, remote: string, handlers: LinkHandlers, aside?: FramesAside) {
    this.#aside = aside;
    this.#webSocket = webSocket;
    this.remote = remote;
    this.#handlers = handlers;
    webSocket.binaryType = "nodebuffer";
    webSocket.on("message", (data, isBinary) => this.#received(data, isBinary));
    webSocket.on("error", (error) => this.#failed(error));
    webSocket.on("close", (code, reason) => this.#closed(code, reason.toString()));
  }

  get bufferedBytes(): number {
    if (this.#state === "connecting") return this.#queuedBytes;
    return this.#state === "open" ? this.#webSocket.bufferedAmount : 0;
  }

  /** The handshake is over. `socket` is the one under the WebSocket. */
  opened(socket: Socket): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#socket = socket;
    this.#handlers.open?.(this);
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const frame of queue) this.send(frame);
  }

  send(frame: Uint8Array, sent?: () => void): void {
    if (this.#state === "open") {
      this.#cork();
      const webSocket = this.#webSocket;
      if (webSocket.bufferedAmount + frame.byteLength + headerBytesMax > highMarkBytes)
        this.#aboveHigh = true;
      // A callback per frame costs; it is only needed to see the buffer fall, or by who waits for it.
      if (sent !== undefined) webSocket.send(frame, () => this.#sent(sent));
      else if (this.#aboveHigh) webSocket.send(frame, this.#checkDrain);
      else webSocket.send(frame);
    } else if (this.#state === "connecting") {
      this.#queue.push(frame);
      this.#queuedBytes += frame.byteLength;
    }
  }

  close(reason = "closed"): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#reason = reason;
    this.#shut(1000, reason);
  }

  /** Cuts the connection without a word. */
  terminate(reason: string): void {
    this.#reason ??= reason;
    if (this.#state !== "closed") this.#state = "closing";
    this.#webSocket.terminate();
  }

  #shut(code: number, reason: string): void {
    this.#state = "closing";
    this.#uncork();
    this.#webSocket.close(code, cutUtf8(reason, reasonBytesMax));
  }

  #received(data: RawData, isBinary: boolean): void {
    const frame = data as Buffer;
    const whole = isBinary && frame.length === 0 ? (this.#aside?.next() ?? frame) : frame;
    if (this.#state !== "open") return;
    if (isBinary) {
      this.#handlers.frame(this, whole);
      return;
    }
    this.#reason = codeReasons.get(1003)!;
    this.#shut(1003, this.#reason);
  }

  /** Always followed by `close`. */
  #failed(error: Error): void {
    const tooLong = (error as NodeJS.ErrnoException).code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    this.#reason ??= tooLong ? codeReasons.get(1009)! : error.message;
    if (this.#state === "open") this.#state = "closing";
  }

  #closed(code: number, said: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    const heard = said === "" ? (codeReasons.get(code) ?? `closed with code ${code}`) : said;
    this.#handlers.closed(this, this.#reason ?? heard);
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket!.cork();
    process.nextTick(this.#uncork);
  }

  #sent(sent: () => void): void {
    this.#checkDrain();
    sent();
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket!.uncork();
  };

  readonly #checkDrain = (): void => {
    if (!this.#aboveHigh || this.#state !== "open" || this.bufferedBytes > lowMarkBytes) return;
    this.#aboveHigh = false;
    this.#handlers.drain?.(this);
  };
}

/** The longest prefix of at most `bytesMax` bytes that splits no character. */
function cutUtf8(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}

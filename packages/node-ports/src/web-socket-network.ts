/**
 * The Network port on WebSockets (ws 8): one HTTP server per listening address, which answers plain requests (health,
 * metrics) and upgrades the others.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, createConnection, Socket, TcpNetConnectOpts } from "node:net";
import type {
  ConnectOptions,
  HttpAnswer,
  Link,
  LinkHandlers,
  ListenAddress,
  Listener,
  Network,
} from "@sixfold/ports";
import type { ClientOptions } from "ws";
import { WebSocket, WebSocketServer } from "ws";
import { FramesAside } from "./frames-aside.ts";
import { WebSocketLink, closeTimeoutMs } from "./web-socket-link.ts";

export class WebSocketNetwork implements Network {
  async listen(at: ListenAddress, handlers: LinkHandlers): Promise<Listener> {
    const server = createServer((request, response) => {
      void answer(at, request, response, () => !server.listening);
    });
    const links = new Set<WebSocketLink>();
    const webSockets = new WebSocketServer({
      server,
      maxPayload: at.maxFrameBytes,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      clientTracking: false,
      closeTimeout: closeTimeoutMs,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    const wrapped: LinkHandlers = {
      ...bound(handlers),
      closed: (link, reason) => {
        links.delete(link as WebSocketLink);
        handlers.closed(link, reason);
      },
    };
    webSockets.on("connection", (webSocket, request) => {
      const { socket } = request;
      const link = new WebSocketLink(webSocket, `${socket.remoteAddress}:${socket.remotePort}`, wrapped);
      links.add(link);
      link.opened(socket);
    });
    // `listen`'s failure comes on both; the promise below takes it from the server.
    webSockets.on("error", () => {});
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(at.port, at.host, () => {
        server.off("error", reject);
        resolve();
      });
    });
    const { port } = server.address() as AddressInfo;
    const host = at.host.includes(":") ? `[${at.host}]` : at.host;
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= closeAll(server, webSockets, links));
    return { port, url: `ws://${host}:${port}`, close };
  }

  connect(url: string, options: ConnectOptions, handlers: LinkHandlers): Link {
    const clientOptions: ClientOptions & { closeTimeout: number } = {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      maxPayload: options.maxFrameBytes,
      handshakeTimeout: options.timeoutMs,
      closeTimeout: closeTimeoutMs,
    };
    // ws hands the same 4 zero bytes in each time, and skips masking when they stay zero.
    if (options.trusted) clientOptions.generateMask = () => {};
    const { roomFor, maxFrameBytes } = options;
    const aside =
      roomFor !== undefined && url.startsWith("ws:")
        ? new FramesAside({ roomFor, maxFrameBytes })
        : undefined;
    if (aside !== undefined) clientOptions.createConnection = dialledBy(aside);
    const webSocket = new WebSocket(url, clientOptions);
    const link = new WebSocketLink(webSocket, url, handlers, aside);
    let socket: Socket | undefined;
    webSocket.on("upgrade", (response) => (socket = response.socket));
    webSocket.on("open", () => link.opened(socket!));
    return link;
  }
}

/** What ws passes on as a path is the URL's, which for a socket would be that of a file. */
function dialledBy(aside: FramesAside): NonNullable<ClientOptions["createConnection"]> {
  return ((options: TcpNetConnectOpts) => {
    const { path: _, ...socketOptions } = options as TcpNetConnectOpts & { readonly path: string };
    return aside.connect(socketOptions);
  }) as typeof createConnection;
}

/** Handlers may be methods of a class instance, which a spread would lose. */
function bound(handlers: LinkHandlers): LinkHandlers {
  return {
    open: (link) => handlers.open?.(link),
    frame: (link, frame) => handlers.frame(link, frame),
    drain: (link) => handlers.drain?.(link),
    closed: (link, reason) => handlers.closed(link, reason),
  };
}

async function closeAll(
  server: Server,
  webSockets: WebSocketServer,
  links: Set<WebSocketLink>,
): Promise<void> {
  webSockets.close();
  for (const link of links) link.close("the listener was closed");
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // Requests that do not end are cut then, and by ws links whose peers do not answer the close.
  const limit = setTimeout(() => server.closeAllConnections(), closeTimeoutMs);
  await closed;
  clearTimeout(limit);
}

/** `isLast`: the listener closes, which a connection that is asked again and again would hold up. */
async function answer(
  at: ListenAddress,
  request: IncomingMessage,
  response: ServerResponse,
  isLast: () => boolean,
): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0]!;
  let found: HttpAnswer | undefined;
  const method = request.method === "POST" ? "POST" : "GET";
  if (method === "GET" && request.method !== "GET" && request.method !== "HEAD") {
    found = { status: 405, type: "text/plain; charset=utf-8", body: "only GET, HEAD and POST\n" };
  } else {
    try {
      const body = method === "POST" ? await bodyOf(request) : "";
      found = await at.http?.({ method, path, body });
    } catch (error) {
      const body = `${error instanceof Error ? error.message : String(error)}\n`;
      found = { status: 500, type: "text/plain; charset=utf-8", body };
    }
  }
  found ??= { status: 404, type: "text/plain; charset=utf-8", body: "not found\n" };
  const body = Buffer.from(found.body as string);
  if (isLast()) response.setHeader("connection", "close");
  response.writeHead(found.status, { "content-type": found.type, "content-length": body.length });
  response.end(request.method === "HEAD" ? undefined : body);
}

const BODY_BYTES_MAX = 64 << 10;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`a request has at most ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

// A stand-in for Electron's module, with both of its sides in one process: what a window invokes
// reaches the main process as it would over the channel, as a copy of the data and an event.

const { EventEmitter } = require("node:events");

class App extends EventEmitter {
  isPackaged = false;

  async whenReady() {}

  /** Asks, as Electron does, and ends when nobody objects. */
  quit() {
    let prevented = false;
    this.emit("before-quit", { preventDefault: () => (prevented = true) });
    if (!prevented) this.emit("quit");
  }
}

class IpcMain extends EventEmitter {
  handlers = new Map();

  handle(channel, handler) {
    this.handlers.set(channel, handler);
  }
}

const app = new App();
const ipcMain = new IpcMain();
const event = { sender: { id: 1 } };

const ipcRenderer = {
  async invoke(channel, ...args) {
    return structuredClone(await ipcMain.handlers.get(channel)(event, ...structuredClone(args)));
  },
  send(channel, ...args) {
    ipcMain.emit(channel, event, ...structuredClone(args));
  },
};

const world = {};
const contextBridge = {
  exposeInMainWorld: (name, functions) => (world[name] = functions),
};

module.exports = { app, contextBridge, ipcMain, ipcRenderer, world };

// A host of MCP Apps: shows the page in a sandbox and answers it from `window.answers`, which a test fills.
import {AppBridge, PostMessageTransport} from "@modelcontextprotocol/ext-apps/app-bridge";

window.asked = [];
window.show = async (html, {theme, passesResources}) => {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = "board";
  frame.style.cssText = "width: 100%; height: 700px; border: 0";
  document.body.append(frame);
  const can = {serverTools: {}, ...(passesResources ? {serverResources: {}} : {})};
  const bridge = new AppBridge(null, {name: "a-host", version: "1"}, can, {hostContext: {theme, displayMode: "inline"}});
  const answer = (kind, name) => {
    window.asked.push(`${kind} ${name}`);
    if (!(name in window.answers[kind])) throw new Error(`no answer for ${name}`);
    return window.answers[kind][name];
  };
  bridge.oncalltool = async ({name}) => answer("tools", name);
  if (passesResources) bridge.onreadresource = async ({uri}) => ({contents: [{uri, mimeType: "application/json", text: answer("resources", uri)}]});
  bridge.onsizechange = size => { window.size = size; };
  const ready = new Promise(done => { bridge.oninitialized = done; });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await ready;
  window.bridge = bridge;
};
window.tell = async (args, result) => {
  await window.bridge.sendToolInput({arguments: args});
  await window.bridge.sendToolResult(result);
};

package server

import (
	"net/http"

	"wtp-console/internal/wtp"
	"wtp-console/static"
)

// public is the verb of routes that need no session.
const public wtp.Verb = "public"

const staticRoute = static.Prefix + "*file"

// handler reads the request, asks one verb of the store, chooses the answer and
// renders it. It never writes a status above 400 but 422 for its own form:
// other errors are returned, and mapped in one place.
type handler func(r *request) error

// route is one address, who may use it, and what answers.
type route struct {
	method string
	path   string
	verb   wtp.Verb
	handle handler
	poll   bool     // asked by the page itself: doesn't count as activity of the person
	body   int64    // how much a request may send, in bytes; 0: maxBody
	asks   []string // of a GET: names that its query may have, as wtp.CheckQuery takes them; none: it is not looked at
}

// get is a page, and what its address may ask.
func get(path string, verb wtp.Verb, h handler, asks ...string) route {
	return route{method: http.MethodGet, path: path, verb: verb, handle: h, asks: asks}
}

func post(path string, verb wtp.Verb, h handler) route {
	return route{method: http.MethodPost, path: path, verb: verb, handle: h}
}

// upload is a POST of a multipart form, which may be larger than others.
func upload(path string, verb wtp.Verb, h handler) route {
	return route{method: http.MethodPost, path: path, verb: verb, handle: h, body: maxUpload}
}

// poll is a GET that a page repeats by itself.
func poll(path string, verb wtp.Verb, h handler, asks ...string) route {
	return route{method: http.MethodGet, path: path, verb: verb, handle: h, poll: true, asks: append(asks, "stamp")}
}

// routes are all addresses of the console, with what each needs a role for.
func (s *Server) routes() []route {
	return []route{
		get("/healthz", public, s.showAlive),
		get("/readyz", public, s.showReady),
		get(staticRoute, public, s.serveStatic),

		get("/setup", public, s.showSetup),
		post("/setup", public, s.setUp),
		get("/sign-in", public, s.showSignIn),
		post("/sign-in", public, s.signIn),
		post("/sign-out", public, s.signOut),
		post("/language", public, s.chooseLanguage),

		get("/account", wtp.Read, s.showAccount),
		post("/account/language", wtp.Read, s.keepLanguage),
		post("/account/theme", wtp.Read, s.keepTheme),
		post("/account/password", wtp.Read, s.changePassword),
		post("/account/sessions/end", wtp.Read, s.endSession),
		post("/account/sessions/end-others", wtp.Read, s.endOtherSessions),

		get("/", wtp.Read, s.showHome),
		poll("/running", wtp.Read, s.showRunning),
		get("/p/:project", wtp.Read, s.showOverview),
		poll("/p/:project/running", wtp.Read, s.showRunning),
		post("/p/:project/read", wtp.Act, s.readAgain),

		// Servers, selection, previews, changes.
		get("/servers", wtp.Read, s.listServers, append(serverListNames(), "project*")...),
		get("/servers/list", wtp.Read, s.swapServers, append(serverListNames(), "project*")...),
		get("/p/:project/servers", wtp.Read, s.listServers, serverListNames()...),
		get("/p/:project/servers/:host_id", wtp.Read, s.showServer, "before"),
		post("/p/:project/servers/:host_id/tomcat-dir/read", wtp.Act, s.readTomcatDir),
		get("/p/:project/servers/:host_id/tomcat-dir", wtp.Act, s.showTomcatForm, "undo"),
		post("/p/:project/servers/:host_id/tomcat-dir", wtp.Act, s.setTomcatDir),
		get("/p/:project/restarts", wtp.Read, s.listRestarts, append(restartNames(), "tab", "after")...),
		get("/p/:project/restarts.csv", wtp.Read, s.exportRestarts, append(restartNames(), "tab")...),
		get("/p/:project/restarts.yml", wtp.Read, s.exportInventory, append(restartNames(), "tab")...),
		post("/p/:project/restarts/done", wtp.Act, s.markRestarts),
		post("/p/:project/restarts/reopen", wtp.Act, s.reopenRestarts),
		get("/p/:project/previews/:uid/tomcat-dirs", wtp.Read, s.listNoTomcatDir, "after"),
		get("/p/:project/servers/list", wtp.Read, s.swapServers, serverListNames()...),
		get("/p/:project/servers/import", wtp.Act, s.showImport),
		upload("/p/:project/servers/import", wtp.Act, s.checkImport),
		get("/p/:project/servers/import/:uid", wtp.Read, s.showReport, "result", "after"),
		get("/p/:project/servers/import/:uid/lines.csv", wtp.Read, s.exportImport, "result"),
		post("/p/:project/servers/import/:uid/resolve", wtp.Act, s.resolveImport),
		post("/p/:project/servers/import/:uid/select", wtp.Act, s.selectImport),
		get("/p/:project/sets", wtp.Read, s.listSets),
		post("/p/:project/sets", wtp.Act, s.saveSet),
		get("/p/:project/sets/new", wtp.Act, s.showNewSet),
		post("/p/:project/sets/new", wtp.Act, s.newSet),
		get("/p/:project/sets/:uid", wtp.Read, s.showSet, "gone", "after", "before"),
		post("/p/:project/sets/:uid/select", wtp.Act, s.selectSet),
		post("/p/:project/sets/:uid/rename", wtp.Act, s.renameSet),
		post("/p/:project/sets/:uid/replace", wtp.Act, s.replaceSet),
		post("/p/:project/sets/:uid/delete", wtp.Act, s.deleteSet),
		post("/p/:project/selection", wtp.Act, s.changeSelection),
		post("/p/:project/selection/bar", wtp.Act, s.swapSelection),
		post("/p/:project/previews", wtp.Act, s.planChange),
		get("/p/:project/previews/:uid", wtp.Read, s.showPreview, "bucket", "why", "q", "after", "before", "instead", "back", "back_at", "confirm", "ramp", "cancel_timer"),
		get("/p/:project/previews/:uid/servers.csv", wtp.Read, s.exportPreview, "bucket", "why", "q"),
		post("/p/:project/previews/:uid/confirm", wtp.Act, s.confirmChange),
		post("/p/:project/previews/:uid/drop", wtp.Act, s.dropPreview),
		post("/p/:project/remote-backup", wtp.Act, s.chooseRemote),
		get("/p/:project/remote-backup", wtp.Act, s.showRemoteChoice, "only", "backup"),
		post("/p/:project/remote-backup/previews", wtp.Act, s.planRemote),
		get("/changes", wtp.Read, s.listChanges, changeListNames()...),
		get("/changes/list", wtp.Read, s.swapChanges, changeListNames()...),
		get("/changes.csv", wtp.Read, s.exportChanges, changeListNames()...),
		get("/p/:project/changes", wtp.Read, s.listChanges, changeListNames()...),
		get("/p/:project/changes/list", wtp.Read, s.swapChanges, changeListNames()...),
		get("/p/:project/changes.csv", wtp.Read, s.exportChanges, changeListNames()...),
		get("/p/:project/changes/:number", wtp.Read, s.showChange, "outcome", "why", "after", "before", "calls"),
		get("/p/:project/changes/:number/servers.csv", wtp.Read, s.exportChange, "outcome", "why"),
		poll("/p/:project/changes/:number/progress", wtp.Read, s.swapProgress, "outcome", "why", "after", "before", "calls", "was", "drawn"),
		post("/p/:project/changes/:number/stop", wtp.Act, s.stopChange),
		post("/p/:project/changes/:number/timer/move", wtp.Act, s.moveTimer),
		post("/p/:project/changes/:number/timer/cancel", wtp.Act, s.cancelTimer),
		post("/p/:project/changes/:number/timer/now", wtp.Act, s.planTurnOn),
		post("/p/:project/changes/:number/undo", wtp.Act, s.undoChange),
		post("/p/:project/changes/:number/retry", wtp.Act, s.retryChange),
		post("/p/:project/changes/:number/select", wtp.Act, s.selectTargets),

		// Backup servers, settings, people, events.
		get("/p/:project/backup-servers", wtp.Read, s.listBackups),
		get("/p/:project/backup-servers/new", wtp.Act, s.showAddBackup),
		post("/p/:project/backup-servers/new", wtp.Act, s.addBackup),
		get("/p/:project/backup-servers/hosts", wtp.Act, s.listHosts),
		get("/p/:project/backup-servers/diff", wtp.Act, s.showBackupDiff),
		get("/p/:project/backup-servers/:host_id/edit", wtp.Act, s.showEditBackup),
		post("/p/:project/backup-servers/:host_id/edit", wtp.Act, s.editBackup),
		get("/p/:project/backup-servers/:host_id/remove", wtp.Act, s.showRemoval, "show", "why", "q", "after"),
		post("/p/:project/backup-servers/:host_id/remove", wtp.Act, s.planRemoval),
		post("/p/:project/backup-servers/:host_id/address", wtp.Act, s.planAddress),
		get("/p/:project/backup-servers/:host_id/servers.csv", wtp.Read, s.exportBackupUsers, "show", "why", "q"),

		get("/pause", wtp.Act, s.showPause, "next"),
		post("/pause", wtp.Act, s.pause),
		post("/resume", wtp.Act, s.resume),

		get("/settings", wtp.Administer, s.showSettings),
		get("/settings/limits", wtp.Administer, s.showLimits),
		post("/settings/limits", wtp.Administer, s.saveLimits),
		get("/settings/credentials/new", wtp.Administer, s.showNewCredential),
		post("/settings/credentials/new", wtp.Administer, s.createCredential),
		get("/settings/credentials/:id", wtp.Administer, s.showCredential),
		get("/settings/credentials/:id/edit", wtp.Administer, s.showEditCredential),
		post("/settings/credentials/:id/edit", wtp.Administer, s.replaceCredential),
		post("/settings/credentials/:id/test", wtp.Administer, s.testCredential),
		post("/settings/credentials/:id/remove", wtp.Administer, s.removeCredential),
		get("/settings/credentials/:id/projects", wtp.Administer, s.showIAMProjects),
		post("/settings/credentials/:id/projects", wtp.Administer, s.manageProjects),
		get("/settings/projects/new", wtp.Administer, s.showNewProject, "credential"),
		post("/settings/projects/new", wtp.Administer, s.createProject),
		get("/settings/projects/:id/edit", wtp.Administer, s.showEditProject),
		post("/settings/projects/:id/edit", wtp.Administer, s.changeProject),
		post("/settings/projects/:id/remove", wtp.Administer, s.removeProject),
		get("/settings/people", wtp.Administer, s.listPeople),
		get("/settings/people/new", wtp.Administer, s.showNewPerson),
		post("/settings/people/new", wtp.Administer, s.createPerson),
		get("/settings/people/:id", wtp.Administer, s.showPerson),
		post("/settings/people/:id/role", wtp.Administer, s.changeRole),
		post("/settings/people/:id/disable", wtp.Administer, s.disablePerson),
		post("/settings/people/:id/enable", wtp.Administer, s.enablePerson),
		post("/settings/people/:id/password", wtp.Administer, s.resetPassword),
		post("/settings/people/:id/sessions/end", wtp.Administer, s.endPersonSession),
		post("/settings/people/:id/sessions/end-all", wtp.Administer, s.endPersonSessions),

		get("/events", wtp.Read, s.listEvents, "project", "before"),
	}
}

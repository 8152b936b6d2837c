//! A real S3 server (`s3s` over a folder) on the loopback of this process, behind a layer that counts requests and breaks
//! them on demand.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use zxq_providers::lake::objects::s3::{S3Credentials, S3Options};

/// The bucket there is.
pub const BUCKET: &str = "market";
/// The key that may do everything.
pub const KEY: &str = "zxq-test";
/// Its secret.
pub const SECRET: &str = "s3cret word";

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Reads an object, or a range of it.
    Get,
    /// Asks for an object's size.
    Head,
    /// Lists names.
    List,
    /// Writes an object, whatever is there.
    Put,
    /// Writes an object unless there is one.
    PutNew,
    /// Begins an upload in parts.
    CreateUpload,
    /// Writes a part.
    UploadPart,
    /// Makes an object of the parts.
    CompleteUpload,
    /// Gives an upload up.
    AbortUpload,
    /// Deletes objects.
    Delete,
    /// Anything else.
    Other,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it does.
    pub kind: RequestKind,
    /// Bucket and key, as the request spells them.
    pub path: String,
    /// Bytes of the answer's body.
    pub answered: usize,
    /// The header `x-amz-server-side-encryption`, and the key's.
    pub encryption: Option<String>,
}

/// How a request is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// 503 SlowDown; nothing is done.
    SlowDown,
    /// 403 AccessDenied; nothing is done.
    Deny,
    /// It is done after this time.
    Delay(Duration),
    /// The connection is cut while the request's body is read; nothing is done.
    CutUpload,
    /// It is done, and the connection cut before any answer.
    LoseAnswer,
    /// It is done, and the connection cut within the answer's body.
    CutAnswer,
}

/// A rule of the layer.
struct Rule {
    kind: RequestKind,
    path: String,
    times: usize,
    action: Break,
}

/// Counts and breaks requests.
#[derive(Default)]
struct Layer {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    count: AtomicUsize,
    /// Requests until the server is dead, and whether the last of them is done and only its answer lost.
    dies: Mutex<Option<(usize, bool)>>,
    dead: AtomicBool,
    /// `s3s-fs` checks whether an object is there and then writes it; one at a time makes that one step, as S3 has it.
    creating: tokio::sync::Mutex<()>,
}

/// A running server; it stops when this is dropped.
pub struct S3Server {
    address: SocketAddr,
    folder: TempDir,
    layer: Arc<Layer>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The server that all tests of this process share; each uses a prefix of its own and breaks nothing.
pub fn shared() -> &'static S3Server {
    static SERVER: OnceLock<S3Server> = OnceLock::new();
    SERVER.get_or_init(S3Server::start)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl S3Server {
    /// A new server with one empty bucket.
    pub fn start() -> S3Server {
        let folder = tempfile::tempdir().expect("a folder for the server");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("the folder is a store");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let layer = Arc::new(Layer::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let serving = Arc::clone(&layer);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("its address")).expect("somebody waits");
                tokio::select! {
                    () = accept(listener, service, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = told.recv().expect("the server starts");
        S3Server { address, folder, layer, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How to reach a prefix of the bucket; little patience, so that tests are quick.
    pub fn options(&self, prefix: &str) -> S3Options {
        let mut options = S3Options::parse(&format!("s3://{BUCKET}/{prefix}")).expect("an address");
        options.endpoint = Some(self.endpoint().parse().expect("a URL"));
        options.region = Some("eu-central-1".to_owned());
        options.credentials = S3Credentials::Keys {
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: None,
        };
        options.retry.max_retries = 4;
        options.retry.first_pause = Duration::from_millis(1);
        options.retry.longest_pause = Duration::from_millis(20);
        options.timeout = Duration::from_secs(20);
        options
    }

    /// Breaks the next `times` requests of this kind whose path holds `path`.
    pub fn break_next(&self, times: usize, kind: RequestKind, path: &str, action: Break) {
        locked(&self.layer.rules).push(Rule { kind, path: path.to_owned(), times, action });
    }

    /// Ends all rules, and brings a dead server back.
    pub fn heal(&self) {
        locked(&self.layer.rules).clear();
        *locked(&self.layer.dies) = None;
        self.layer.dead.store(false, Ordering::SeqCst);
    }

    /// After `requests` more requests, every connection is cut. With `done`, the request at which it dies is still carried
    /// out; its answer is lost.
    pub fn die_after(&self, requests: usize, done: bool) {
        self.layer.count.store(0, Ordering::SeqCst);
        *locked(&self.layer.dies) = Some((requests, done));
    }

    /// True once the server has died.
    pub fn is_dead(&self) -> bool {
        self.layer.dead.load(Ordering::SeqCst)
    }

    /// The requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *locked(&self.layer.seen))
    }

    /// Keys of the objects under a prefix, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let root = self.folder.path().join(BUCKET);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the folder is there") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).expect("inside").display().to_string();
                    if key.starts_with(prefix) {
                        found.push(key);
                    }
                }
            }
        }
        found.sort();
        found
    }

    /// An object's bytes.
    pub fn object(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.place(key)).expect("the object is there")
    }

    /// The file that an object lies in, for others to write and delete in behind the server's back.
    pub fn place(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// Uploads in parts that were neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload-") && name.ends_with(".json")).count()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn accept(listener: TcpListener, service: S3Service, layer: Arc<Layer>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (service, layer) = (service.clone(), Arc::clone(&layer));
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request| {
                let (service, layer) = (service.clone(), Arc::clone(&layer));
                async move { layer.answer(&service, request).await }
            });
            // An error here is a connection cut, by this layer or by the client.
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await.ok();
        });
    }
}

type Body = BoxBody<Bytes, CutError>;

/// Cuts the connection.
#[derive(Debug)]
struct CutError;

impl fmt::Display for CutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for CutError {}

fn kind_of(request: &Request<Incoming>) -> RequestKind {
    let query: Vec<&str> = request.uri().query().unwrap_or("").split('&').collect();
    let has = |name: &str| query.iter().any(|pair| pair.split('=').next() == Some(name));
    match *request.method() {
        Method::GET if has("list-type") => RequestKind::List,
        Method::GET => RequestKind::Get,
        Method::HEAD => RequestKind::Head,
        Method::PUT if has("partNumber") => RequestKind::UploadPart,
        Method::PUT if request.headers().contains_key("if-none-match") => RequestKind::PutNew,
        Method::PUT => RequestKind::Put,
        Method::POST if has("uploads") => RequestKind::CreateUpload,
        Method::POST if has("uploadId") => RequestKind::CompleteUpload,
        Method::POST if has("delete") => RequestKind::Delete,
        Method::DELETE if has("uploadId") => RequestKind::AbortUpload,
        Method::DELETE => RequestKind::Delete,
        _ => RequestKind::Other,
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

fn error(status: u16, code: &str) -> Response<Body> {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Broken by a test.</Message></Error>");
    Response::builder().status(status).body(whole(Bytes::from(xml))).expect("an answer")
}

impl Layer {
    fn rule(&self, kind: RequestKind, path: &str) -> Option<Break> {
        let mut rules = locked(&self.rules);
        let rule = rules.iter_mut().find(|r| r.times > 0 && r.kind == kind && path.contains(&r.path))?;
        rule.times -= 1;
        Some(rule.action)
    }

    /// Whether the server dies at this request, or is dead: then whether the request is done all the same.
    fn death(&self) -> Option<bool> {
        if self.dead.load(Ordering::SeqCst) {
            return Some(false);
        }
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        match *locked(&self.dies) {
            Some((requests, done)) if count >= requests => {
                self.dead.store(true, Ordering::SeqCst);
                Some(done)
            }
            _ => None,
        }
    }

    async fn answer(&self, service: &S3Service, request: Request<Incoming>) -> Result<Response<Body>, CutError> {
        let kind = kind_of(&request);
        let path = request.uri().path().to_owned();
        let death = self.death();
        if death == Some(false) {
            return Err(CutError);
        }
        let action = self.rule(kind, &path);
        let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let encryption = header("x-amz-server-side-encryption")
            .map(|kind| {
                [Some(kind), header("x-amz-server-side-encryption-aws-kms-key-id")].map(Option::unwrap_or_default)
            })
            .map(|both| both.join(" ").trim().to_owned());
        let seen = |answered| {
            locked(&self.seen).push(Seen { kind, path: path.clone(), answered, encryption: encryption.clone() })
        };
        match action {
            Some(Break::CutUpload) => {
                let mut body = request.into_body();
                body.frame().await;
                seen(0);
                return Err(CutError);
            }
            Some(Break::SlowDown | Break::Deny) => {
                // The body is read, as a server does that wants its answer to be read.
                request.into_body().collect().await.map_err(|_| CutError)?;
                seen(0);
                return Ok(if action == Some(Break::Deny) {
                    error(403, "AccessDenied")
                } else {
                    error(503, "SlowDown")
                });
            }
            Some(Break::Delay(time)) => tokio::time::sleep(time).await,
            Some(Break::LoseAnswer | Break::CutAnswer) | None => {}
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| CutError)?.to_bytes();
        let request = Request::from_parts(head, s3s::Body::from(body));
        let one_at_a_time = match kind {
            RequestKind::PutNew | RequestKind::CompleteUpload => Some(self.creating.lock().await),
            _ => None,
        };
        let response = service.call(request).await.map_err(|_| CutError)?;
        drop(one_at_a_time);
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|_| CutError)?.to_bytes();
        seen(bytes.len());
        if death == Some(true) || action == Some(Break::LoseAnswer) {
            return Err(CutError);
        }
        if action == Some(Break::CutAnswer) {
            let half = Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
            let body = StreamBody::new(futures::stream::iter([half, Err(CutError)]));
            return Ok(Response::from_parts(head, BodyExt::boxed(body)));
        }
        Ok(Response::from_parts(head, whole(bytes)))
    }
}

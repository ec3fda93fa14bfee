# A login manager for a kubelet alone, at a Unix socket: what its graceful shutdown asks systemd-logind for.
#
#   perl login_manager.pl SOCKET < FIFO      each line of FIFO announces the shutdown to who watches for it
#
# A node of kind has neither logind nor a bus. It speaks D-Bus as far as a kubelet does: the delay that
# logind grants, an inhibitor lock (a number that is no descriptor: releasing it does nothing), the signal
# PrepareForShutdown. What is for systemd itself goes to its private socket, byte for byte: the
# kubelet's cgroups depend on it.
# Sources: kubernetes pkg/kubelet/nodeshutdown/systemd/inhibit_linux.go; the D-Bus specification.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;

my ($path) = @ARGV;
$| = 1;
unlink $path;
my $server = IO::Socket::UNIX->new(Local => $path, Listen => 16) or die "$path: $!\n";
my $select = IO::Select->new($server, \*STDIN);
my (%buffer, %begun, %systemd, %client, @watching);
my $serial = 0;

sub padded { my ($data, $to) = @_; return $data . "\0" x (-length($data) % $to) }
sub string { my ($data, $text) = @_; return padded($data, 4) . pack('Va*x', length $text, $text) }

sub field {
    my ($data, $code, $type, $value) = @_;
    $data = padded($data, 8) . pack('CCax', $code, 1, $type);
    return padded($data, 4) . pack('V', $value) if $type eq 'u';
    return $data . pack('Ca*x', length $value, $value) if $type eq 'g';
    return string($data, $value);
}

sub message {
    my ($type, $signature, $body, @fields) = @_;
    my $head = '';
    $head = field($head, @$_) for @fields, [7, 's', ':1.1'], [8, 'g', $signature];
    $serial += 1;
    my $fixed = pack('aC3V3', 'l', $type, 1, 1, length $body, $serial, length $head);
    return padded($fixed . $head, 8) . $body;
}

sub answer { my ($to, @rest) = @_; return message(2, @rest, [5, 'u', $to]) }

sub greet {
    my ($peer, $line) = @_;
    return $begun{$peer} = 1 if $line eq 'BEGIN';
    my $said = $line eq 'AUTH' ? 'REJECTED EXTERNAL' : $line =~ /^AUTH EXTERNAL/ ? 'OK 0' : 'ERROR';
    syswrite $peer, "$said\r\n";
}

sub forward {
    my ($peer, $said) = @_;
    if (!$systemd{$peer}) {
        my $bus = IO::Socket::UNIX->new(Peer => '/run/systemd/private') or return;
        syswrite $bus, "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";
        sysread $bus, my $greeting, 4096;
        ($systemd{$peer}, $client{$bus}) = ($bus, $peer);
        $select->add($bus);
    }
    syswrite $systemd{$peer}, $said;
}

sub hear {
    my ($peer, $said, $number) = @_;
    my ($member) = $said =~ /\x03\x01s\0....(\w+)\0/s;
    my ($to) = $said =~ /\x06\x01s\0....([\w.]+)\0/s;
    return forward($peer, $said) if $to eq 'org.freedesktop.systemd1';
    my $answer = $member eq 'Hello' ? answer($number, 's', string('', ':1.1'))
        : $member eq 'Get' ? answer($number, 'v', pack('Cax6Q<', 1, 't', 86_400_000_000))
        : $member eq 'Inhibit' ? answer($number, 'u', pack('V', 0x7ffffff0))
        : answer($number, '', '');
    syswrite $peer, $answer;
    if ($member eq 'AddMatch' and $said =~ /PrepareForShutdown/) {
        push @watching, $peer;
        print "watching\n";
    }
}

sub take {
    my ($peer) = @_;
    while (!$begun{$peer} and $buffer{$peer} =~ s/^\0?([^\r]*)\r\n//) { greet($peer, $1) }
    while ($begun{$peer} and length $buffer{$peer} >= 16) {
        my (undef, undef, undef, undef, $body, $number, $head) = unpack 'aC3V3', $buffer{$peer};
        my $size = 16 + $head + -$head % 8 + $body;
        last if length $buffer{$peer} < $size;
        hear($peer, substr($buffer{$peer}, 0, $size, ''), $number);
    }
}

sub shut_down {
    my @about = ([1, 'o', '/org/freedesktop/login1'], [2, 's', 'org.freedesktop.login1.Manager'],
        [3, 's', 'PrepareForShutdown']);
    syswrite $_, message(4, 'b', pack('V', 1), @about) for @watching;
    print "told\n";
}

print "listening\n";
while (my @ready = $select->can_read) {
    for my $peer (@ready) {
        if ($peer == $server) {
            my $new = $server->accept or next;
            $select->add($new);
            $buffer{$new} = '';
            next;
        }
        my $count = sysread $peer, my $data, 65_536;
        exit if $peer == \*STDIN and !$count;
        if (!$count) { $select->remove($peer); close $peer }
        elsif ($peer == \*STDIN) { shut_down() }
        elsif ($client{$peer}) { syswrite $client{$peer}, $data }
        else { $buffer{$peer} .= $data; take($peer) }
    }
}
